# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Install rules and the package that find_package(stretto) reads. Everything but the tool is independent of the
# architecture, hence share/.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(stretto_package_dir "${CMAKE_INSTALL_DATADIR}/cmake/stretto")

install(TARGETS stretto EXPORT stretto-targets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
        FILES_MATCHING PATTERN "*.hpp" PATTERN "*.inl" PATTERN "*.cuh")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/stretto")
install(EXPORT stretto-targets NAMESPACE stretto:: DESTINATION "${stretto_package_dir}")
foreach(tool IN ITEMS stretto-explore stretto-explain stretto-tokens)
  if(TARGET ${tool})
    install(TARGETS ${tool} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endforeach()

# Before 1.0 a minor version may change the interface.
set(stretto_compatibility SameMajorVersion)
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(stretto_compatibility SameMinorVersion)
endif()
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/stretto-config.cmake.in"
                              "${PROJECT_BINARY_DIR}/stretto-config.cmake"
                              INSTALL_DESTINATION "${stretto_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/stretto-config-version.cmake" VERSION "${PROJECT_VERSION}"
                                 COMPATIBILITY ${stretto_compatibility} ARCH_INDEPENDENT)
install(FILES "${PROJECT_BINARY_DIR}/stretto-config.cmake" "${PROJECT_BINARY_DIR}/stretto-config-version.cmake"
        DESTINATION "${stretto_package_dir}")
