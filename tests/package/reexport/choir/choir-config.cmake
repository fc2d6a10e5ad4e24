include(CMakeFindDependencyMacro)
find_dependency(stretto)
include("${CMAKE_CURRENT_LIST_DIR}/choir-targets.cmake")
