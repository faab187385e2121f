# drover_library(base SOURCES a.cc b.cc USES other_layers LIBRARIES external)
#   One folder = one static library `drover_<name>` = one namespace. `a.cc` has its header and
#   its test `a_test.cc` beside it.
# drover_layer_test(base SOURCES a_test.cc ... [USES more_layers])
#   One test executable a layer, `base_test`, of the unit tier.
# Every *_test.cc must be named in a drover_layer_test; the lint checks it.

function(drover_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES;LIBRARIES" ${ARGN})
  add_library(drover_${name} STATIC ${arg_SOURCES})
  target_link_libraries(drover_${name} PUBLIC drover_compile)
  foreach(layer IN LISTS arg_USES)
    target_link_libraries(drover_${name} PUBLIC drover_${layer})
  endforeach()
  target_link_libraries(drover_${name} PUBLIC ${arg_LIBRARIES})
  drover_precompile(drover_${name})
endfunction()

function(drover_layer_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;USES" ${ARGN})
  add_executable(${name}_test ${arg_SOURCES})
  target_link_libraries(${name}_test PRIVATE drover_${name} GTest::gmock GTest::gtest_main)
  foreach(layer IN LISTS arg_USES)
    target_link_libraries(${name}_test PRIVATE drover_${layer})
  endforeach()
  drover_precompile(${name}_test)
  add_test(NAME unit.${name} COMMAND ${name}_test)
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 300)
endfunction()
