# What stands under share/ beside the programs, in the build tree and when installed alike: shipped profiles, manual
# pages and shell completion. The pages are printed by seep itself, from the tables its parser uses.

file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/share/seep)
file(CREATE_LINK ${PROJECT_SOURCE_DIR}/profiles ${CMAKE_BINARY_DIR}/share/seep/profiles SYMBOLIC)
install(PROGRAMS ${PROJECT_SOURCE_DIR}/scripts/profile_memory.sh DESTINATION ${CMAKE_INSTALL_DATADIR}/seep)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/checklists DESTINATION ${CMAKE_INSTALL_DATADIR}/seep FILES_MATCHING PATTERN "*.yaml")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/docs/schema DESTINATION ${CMAKE_INSTALL_DATADIR}/seep FILES_MATCHING PATTERN "*.json")
install(DIRECTORY ${PROJECT_SOURCE_DIR}/scripts/ci DESTINATION ${CMAKE_INSTALL_DATADIR}/seep USE_SOURCE_PERMISSIONS)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/profiles/ DESTINATION ${CMAKE_INSTALL_DATADIR}/seep/profiles
        FILES_MATCHING PATTERN "*.yaml")

add_custom_command(
  OUTPUT ${CMAKE_BINARY_DIR}/share/man/stamp
  COMMAND ${PROJECT_SOURCE_DIR}/scripts/make-man $<TARGET_FILE:seep> ${CMAKE_BINARY_DIR}/share
  COMMAND ${CMAKE_COMMAND} -E touch ${CMAKE_BINARY_DIR}/share/man/stamp
  DEPENDS seep ${PROJECT_SOURCE_DIR}/scripts/make-man
  COMMENT "Manual pages and completion"
  VERBATIM)
add_custom_target(seep_man ALL DEPENDS ${CMAKE_BINARY_DIR}/share/man/stamp)
install(DIRECTORY ${CMAKE_BINARY_DIR}/share/man/ DESTINATION ${CMAKE_INSTALL_MANDIR} FILES_MATCHING PATTERN "seep*.[15]")
install(FILES ${CMAKE_BINARY_DIR}/share/bash-completion/completions/seep
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
