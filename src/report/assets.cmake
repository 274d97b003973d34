# The parts of the HTML report that are not C: style sheet, script, and uPlot where npm can give it. They end up as
# constant bytes in seep_report (report_asset_* of page.h).
option(SEEP_NPM "take uPlot from npm for the charts of the HTML report" ON)
set(page ${CMAKE_CURRENT_SOURCE_DIR}/report/page)
set(npm_dir ${CMAKE_BINARY_DIR}/npm)
set(uplot_js ${npm_dir}/node_modules/uplot/dist/uPlot.iife.min.js)
set(uplot_css ${npm_dir}/node_modules/uplot/dist/uPlot.min.css)
find_program(NPM npm)
if(SEEP_NPM AND NPM AND NOT EXISTS ${uplot_js})
  file(COPY ${page}/package.json ${page}/package-lock.json DESTINATION ${npm_dir})
  execute_process(COMMAND ${NPM} ci --no-audit --no-fund --ignore-scripts WORKING_DIRECTORY ${npm_dir} TIMEOUT 60
                  RESULT_VARIABLE npm_failed OUTPUT_QUIET ERROR_QUIET)
  if(npm_failed)
    message(STATUS "npm could not fetch uPlot: charts of the HTML report are plain SVG")
  endif()
endif()
if(NOT SEEP_NPM OR NOT EXISTS ${uplot_js})
  set(uplot_js "")
  set(uplot_css "")
endif()
set(assets ${CMAKE_CURRENT_BINARY_DIR}/report_assets.c)
add_custom_command(OUTPUT ${assets}
  COMMAND ${CMAKE_COMMAND} -DOUT=${assets} -DPAGE=${page} -DUPLOT_JS=${uplot_js} -DUPLOT_CSS=${uplot_css}
          -P ${CMAKE_CURRENT_SOURCE_DIR}/report/embed.cmake
  DEPENDS ${page}/page.css ${page}/page.js ${page}/flame.js ${uplot_js} ${uplot_css} ${CMAKE_CURRENT_SOURCE_DIR}/report/embed.cmake
  VERBATIM)
# Only once the library exists: until its first source is there it is an interface.
get_target_property(report_type seep_report TYPE)
if(NOT report_type STREQUAL "INTERFACE_LIBRARY")
  target_sources(seep_report PRIVATE ${assets})
endif()
install(FILES ${PROJECT_SOURCE_DIR}/docs/schema/seep.verdict.1.json DESTINATION ${CMAKE_INSTALL_DATADIR}/seep)
