// Asio's non-template TLS code, compiled once (BOOST_ASIO_SEPARATE_COMPILATION).
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Weverything"
#include <boost/asio/ssl/impl/src.hpp>
#pragma clang diagnostic pop
