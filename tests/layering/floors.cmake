# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The floor of each room. A header includes its own room and lower floors only.
set(STRETTO_FLOORS
    core=0
    plan=1 schedule=1 draw=1 tensor=1 numeric=1
    host=2 cuda=2
    stage=3 transport=3
    run=4 parallel=4
    model=5 train=5 planner=5 elastic=5 stream=5)

# Rooms on one floor that may see each other, from>to.
set(STRETTO_NEIGHBOURS
    schedule>plan   # a schedule writes the actions of a plan
    draw>plan       # a picture shows one
    numeric>tensor  # references are on views
    train>model)    # weights of other tools are mapped by a model's shape

# Headers of other libraries, each with the one header of Stretto that may include it.
set(STRETTO_PLACES
    mpi.h=transport/mpi_calls.hpp nccl.h=transport/nccl.hpp cuda_runtime.h=cuda/runtime.hpp cublasLt.h=cuda/product_library.hpp cuda_bf16.h=cuda/kernels/numbers.cuh cuda_fp16.h=cuda/kernels/numbers.cuh cblas.h=host/blas.hpp
    immintrin.h=host/simd.hpp cpuid.h=host/isa.hpp nvtx3/nvToolsExt.h=run/nvtx.hpp)

# Macros that other libraries' headers ask for.
set(STRETTO_SWITCHES OMPI_SKIP_MPICXX MPICH_SKIP_MPICXX)

# Never included.
set(STRETTO_BANNED iostream)

# Too dear for the budget of the header on the left: it must not reach the one on the right by any path.
set(STRETTO_APART
    plan.hpp>plan/render.hpp plan.hpp>plan/csv.hpp plan.hpp>draw/timeline.hpp run.hpp>draw/timeline.hpp
    run.hpp>run/read_dump.hpp run.hpp>run/explain_hang.hpp)

set(STRETTO_MOST_LINES 400)
set(STRETTO_MEDIAN_LINES 150)
