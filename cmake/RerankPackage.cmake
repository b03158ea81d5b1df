# What `cmake --install` leaves: the binary, the headers, one static library that holds every folder's objects and the
# embedded model, and the two files that other builds find it by: rerankConfig.cmake (target rerank::rerank) and rerank.pc.

# The libraries that may stand behind the archive, each as CMAKE_TARGET | find_package arguments | pkg-config module.
# One that is only headers needs neither: its code is inside our objects. Where CMake finds a library by pkg-config alone,
# "PkgConfig" stands for find_package, and the name of the target may be written in either case.
set(RERANK_EXTERNALS
  "fmt::fmt|fmt 9|fmt >= 9"
  "simdjson::simdjson|simdjson 3|simdjson >= 3"
  "nlohmann_json::nlohmann_json||"
  "CLI11::CLI11||"
  "Threads::Threads|Threads|"
  "PkgConfig::UTF8PROC|PkgConfig|libutf8proc"
  "PkgConfig::ZLIB|PkgConfig|zlib"
  "PkgConfig::ZSTD|PkgConfig|libzstd"
  "PkgConfig::PCRE2|PkgConfig|libpcre2-8 >= 10.42")

# rerank_collect(TARGET OBJECTS_VARIABLE EXTERNALS_VARIABLE): the objects of TARGET and of every rerank_* library that it
# links, and the other libraries behind them.
function(rerank_collect target objects_variable externals_variable)
  set(todo ${target})
  set(seen "")
  set(objects "")
  set(externals "")
  while(todo)
    list(POP_FRONT todo item)
    string(REGEX REPLACE "^\\$<LINK_ONLY:(.*)>$" "\\1" item "${item}")
    if(item IN_LIST seen OR item STREQUAL "")
      continue()
    endif()
    list(APPEND seen "${item}")
    if(TARGET ${item} AND item MATCHES "^rerank_")
      get_target_property(type ${item} TYPE)
      if(type STREQUAL "INTERFACE_LIBRARY")
        get_target_property(links ${item} INTERFACE_LINK_LIBRARIES)
      else()
        list(APPEND objects $<TARGET_OBJECTS:${item}>)
        get_target_property(links ${item} LINK_LIBRARIES)
      endif()
      if(links)
        list(APPEND todo ${links})
      endif()
    elseif(NOT item MATCHES "^-")
      list(APPEND externals "${item}")
    endif()
  endwhile()
  set(${objects_variable} "${objects}" PARENT_SCOPE)
  set(${externals_variable} "${externals}" PARENT_SCOPE)
endfunction()

# rerank_package(ENGINE_TARGET BINARY_TARGET)
function(rerank_package engine binary)
  rerank_collect(${engine} objects externals)

  set(dependencies "")
  set(links "")
  set(pc_requires "")
  set(pc_libs "-pthread")
  foreach(external IN LISTS externals)
    set(known FALSE)
    string(REGEX REPLACE "^PkgConfig::" "" name "${external}")
    string(TOUPPER "${external}" wanted)
    foreach(row IN LISTS RERANK_EXTERNALS)
      string(REGEX MATCH "^([^|]*)\\|([^|]*)\\|([^|]*)$" row "${row}")
      set(find "${CMAKE_MATCH_2}")
      set(module "${CMAKE_MATCH_3}")
      string(TOUPPER "${CMAKE_MATCH_1}" target)
      if(target STREQUAL wanted)
        set(known TRUE)
        break()
      endif()
    endforeach()
    if(NOT known)
      message(FATAL_ERROR "${external} has no row in RERANK_EXTERNALS (cmake/RerankPackage.cmake)")
    endif()
    if(find STREQUAL "PkgConfig")
      string(REGEX REPLACE " .*" "" module_name "${module}")
      # The folder that links it has found it for itself only.
      find_package(PkgConfig REQUIRED)
      pkg_check_modules(${name} REQUIRED QUIET IMPORTED_TARGET ${module_name})
      string(APPEND dependencies "find_dependency(PkgConfig)\n"
        "pkg_check_modules(${name} REQUIRED QUIET IMPORTED_TARGET ${module_name})\n")
    elseif(NOT find STREQUAL "")
      string(APPEND dependencies "find_dependency(${find})\n")
    endif()
    if(NOT module STREQUAL "")
      list(APPEND pc_requires "${module}")
    endif()
    if(NOT find STREQUAL "")
      list(APPEND links ${external})
    endif()
  endforeach()
  list(JOIN pc_requires ", " pc_requires)

  add_library(rerank_archive STATIC ${objects})
  set_target_properties(rerank_archive PROPERTIES OUTPUT_NAME rerank EXPORT_NAME rerank LINKER_LANGUAGE CXX
    ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
  target_compile_features(rerank_archive INTERFACE cxx_std_20)
  target_include_directories(rerank_archive INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_link_libraries(rerank_archive PRIVATE ${links})

  include(CMakePackageConfigHelpers)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/rerank)
  set(RERANK_FIND_DEPENDENCIES "${dependencies}")
  configure_package_config_file(cmake/rerankConfig.cmake.in rerankConfig.cmake INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(rerankConfigVersion.cmake COMPATIBILITY SameMinorVersion)

  set(RERANK_PC_REQUIRES "${pc_requires}")
  set(RERANK_PC_LIBS "${pc_libs}")
  set(pc_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
  file(RELATIVE_PATH RERANK_PC_PREFIX /${pc_dir} /)
  string(REGEX REPLACE "/$" "" RERANK_PC_PREFIX "${RERANK_PC_PREFIX}")
  configure_file(cmake/rerank.pc.in rerank.pc @ONLY)

  install(TARGETS ${binary} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(TARGETS rerank_archive EXPORT rerankTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(DIRECTORY include/rerank DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
  install(EXPORT rerankTargets NAMESPACE rerank:: DESTINATION ${package_dir})
  install(FILES ${PROJECT_BINARY_DIR}/rerankConfig.cmake ${PROJECT_BINARY_DIR}/rerankConfigVersion.cmake
    DESTINATION ${package_dir})
  install(FILES ${PROJECT_BINARY_DIR}/rerank.pc DESTINATION ${pc_dir})
  install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DOCDIR})
endfunction()
