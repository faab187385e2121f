// Asio's non-template code, compiled once (BOOST_ASIO_SEPARATE_COMPILATION).
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <boost/asio/impl/src.hpp>
#pragma clang diagnostic pop
