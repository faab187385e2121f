# Compiler switches shared by every target: warnings as errors, hardening, sanitizers, speed.

set(DROVER_SANITIZE "" CACHE STRING "address (with undefined), thread, or empty")
option(DROVER_COVERAGE "Instrument for llvm-cov" OFF)
option(DROVER_FUZZ "Build the fuzzers (libFuzzer, address sanitizer)" OFF)

if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR
    "drover is built with clang-19: GCC 12 miscompiles ordinary Asio coroutines. "
    "Use a preset (cmake --preset dev), or ./dev build.")
endif()

add_library(drover_compile INTERFACE)
target_compile_options(drover_compile INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual
  -Wimplicit-fallthrough -Werror
  $<$<CONFIG:Release>:-O2 -g1>
  -fstack-protector-strong)
target_compile_definitions(drover_compile INTERFACE
  FMT_HEADER_ONLY=1
  $<$<CONFIG:Release>:_GLIBCXX_ASSERTIONS>
  BOOST_ASIO_SEPARATE_COMPILATION BOOST_BEAST_SEPARATE_COMPILATION
  BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_ARRAY)
if(NOT DROVER_SANITIZE AND NOT DROVER_FUZZ)
  target_compile_definitions(drover_compile INTERFACE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
endif()
target_include_directories(drover_compile INTERFACE ${CMAKE_SOURCE_DIR}/src)
add_link_options(-fuse-ld=lld)

set(sanitizers "")
if(DROVER_SANITIZE STREQUAL "address")
  set(sanitizers address,undefined)
elseif(DROVER_SANITIZE STREQUAL "thread")
  set(sanitizers thread)
elseif(DROVER_SANITIZE)
  message(FATAL_ERROR "DROVER_SANITIZE is '${DROVER_SANITIZE}'; it takes address or thread")
endif()
if(DROVER_FUZZ)
  set(sanitizers address,undefined,fuzzer-no-link)
endif()
if(sanitizers)
  target_compile_options(drover_compile INTERFACE
    -fsanitize=${sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${sanitizers})
endif()
if(DROVER_COVERAGE)
  target_compile_options(drover_compile INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  add_link_options(-fprofile-instr-generate)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # The sloppiness is what ccache asks for before it stores what stands on a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
