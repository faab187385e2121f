# `npm ci`, whose own words are shown only where it fails. None of the packages runs a script.
execute_process(
  COMMAND ${NPM} ci --ignore-scripts --no-audit --no-fund --prefix ${FOLDER}
  RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "npm could not install the packages of the dashboard:\n${said}\n"
    "The build needs the registry of npm once, or its cache; afterwards web/node_modules has them.")
endif()
file(TOUCH ${FOLDER}/node_modules/.package-lock.json)
