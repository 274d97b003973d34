# How every part of seep is compiled, said once.

set(SEEP_WARNINGS -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
    -Wformat=2 -Wundef -fno-common)

# clang also asks for literals where a function of ours passes a checked format on.
if(CMAKE_C_COMPILER_ID MATCHES Clang)
  list(APPEND SEEP_WARNINGS -Wno-format-nonliteral)
endif()

set(SEEP_SANITIZE_FLAGS "")
if(SEEP_SANITIZE)
  set(SEEP_SANITIZE_FLAGS -fsanitize=${SEEP_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()
# ThreadSanitizer does not understand fences; gcc says so at each one. The fenced accesses are to memory that another process
# writes, which no sanitizer sees anyway.
if(SEEP_SANITIZE MATCHES thread)
  list(APPEND SEEP_SANITIZE_FLAGS -Wno-tsan)
endif()
if(SEEP_COVERAGE)
  list(APPEND SEEP_SANITIZE_FLAGS --coverage)
endif()

function(seep_compile target)
  target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:C>:${SEEP_WARNINGS}> -fstack-protector-strong
                         ${SEEP_SANITIZE_FLAGS})
  if(NOT SEEP_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    target_compile_options(${target} PRIVATE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
  endif()
  target_compile_definitions(${target} PRIVATE _GNU_SOURCE SEEP_VERSION="${PROJECT_VERSION}")
  target_link_options(${target} PRIVATE ${SEEP_SANITIZE_FLAGS} -Wl,-z,relro,-z,now)
endfunction()

# seep_module(NAME [DEPS ...]): the static library seep_NAME from every .c file in src/NAME, linked to DEPS.
# The dependency direction of the house stands in these calls and is checked by scripts/check-includes.
function(seep_module name)
  cmake_parse_arguments(M "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${name}/*.c)
  if(NOT sources)
    add_library(seep_${name} INTERFACE)
    target_link_libraries(seep_${name} INTERFACE ${M_DEPS})
    return()
  endif()
  add_library(seep_${name} STATIC ${sources})
  seep_compile(seep_${name})
  target_include_directories(seep_${name} PUBLIC ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/probes)
  target_link_libraries(seep_${name} PUBLIC ${M_DEPS})
endfunction()
