# Every flag of the project in one interface target.
add_library(spanferry_options INTERFACE)
target_include_directories(spanferry_options INTERFACE ${PROJECT_SOURCE_DIR})
target_compile_options(spanferry_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough -Werror
  $<$<CONFIG:Release>:-O2>
  $<$<CONFIG:Debug>:-O1 -g1>)
target_compile_definitions(spanferry_options INTERFACE
  SPANFERRY_VERSION="${SPANFERRY_VERSION}" BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_DISABLE_BOOST_ALIGN)
target_link_options(spanferry_options INTERFACE -fuse-ld=lld)
if(SPANFERRY_SANITIZE)
  target_compile_options(spanferry_options INTERFACE
    -fsanitize=${SPANFERRY_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(spanferry_options INTERFACE -fsanitize=${SPANFERRY_SANITIZE})
endif()
if(SPANFERRY_FUZZ)
  target_compile_options(spanferry_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
