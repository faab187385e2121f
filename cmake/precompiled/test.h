// What tests include beside that.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
