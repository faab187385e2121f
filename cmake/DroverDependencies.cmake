# Libraries from Debian 12's packages; ./dev installs them.

find_package(Threads REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(libgit2 REQUIRED IMPORTED_TARGET libgit2)
pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
pkg_check_modules(libseccomp REQUIRED IMPORTED_TARGET libseccomp)
pkg_check_modules(libarchive REQUIRED IMPORTED_TARGET libarchive)
pkg_check_modules(yaml-cpp REQUIRED IMPORTED_TARGET yaml-cpp)
find_package(Boost 1.81 REQUIRED COMPONENTS json)
find_package(GTest REQUIRED)
find_package(benchmark REQUIRED)

# The unit is statically linked, so it takes the archive and not Boost's imported shared target.
find_library(BOOST_JSON_ARCHIVE NAMES libboost_json.a REQUIRED)
add_library(drover_boost_json INTERFACE)
target_link_libraries(drover_boost_json INTERFACE ${BOOST_JSON_ARCHIVE})

# CCTZ comes without a CMake or pkg-config file.
find_library(CCTZ_LIBRARY NAMES cctz REQUIRED)
