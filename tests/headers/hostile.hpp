// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Macros that other people's headers define. Every Stretto header must compile after them. The standard headers come
// first, because they make no such promise.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <charconv>
#include <chrono>
#include <cmath>
#include <compare>
#include <complex>
#include <concepts>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <fstream>
#include <functional>
#include <future>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <numeric>
#include <optional>
#include <queue>
#include <random>
#include <set>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif
#include <sys/syscall.h>
#include <unistd.h>

// <termios.h>
#define B0 0000000
#define B50 0000001
#define B75 0000002
#define ECHO 0000010
#define CR0 0000000
#define FF0 0000000
#define FF1 0100000
#define NL0 0000000
#define VT0 0000000

// <complex.h>
#define I _Complex_I
#undef complex
#define complex _Complex

// <sys/sysmacros.h>, <sys/param.h>
#undef major
#undef minor
#undef makedev
#define major(device) gnu_dev_major(device)
#define minor(device) gnu_dev_minor(device)
#define makedev(major, minor) gnu_dev_makedev(major, minor)
#define MIN(a, b) (((a) < (b)) ? (a) : (b))
#define MAX(a, b) (((a) > (b)) ? (a) : (b))
#define roundup(x, y) ((((x) + ((y)-1)) / (y)) * (y))
#define howmany(x, y) (((x) + ((y)-1)) / (y))

// <windows.h> and what it includes
#define near
#define far
#define small char
#define hyper __int64
#define interface struct
#define min(a, b) (((a) < (b)) ? (a) : (b))
#define max(a, b) (((a) > (b)) ? (a) : (b))
#define ERROR 0
#define NO_ERROR 0L
#define IN
#define OUT
#define OPTIONAL
#define DELETE (0x00010000L)
#define CONST const
#define VOID void
#define STRICT 1
#define ABSOLUTE 1
#define RELATIVE 2
#define TRANSPARENT 1
#define DIFFERENCE 11

// <X11/Xlib.h>
#define None 0L
#define Bool int
#define Status int
#define Success 0
#define True 1
#define False 0

// <math.h> of older Unix systems
#undef DOMAIN
#undef OVERFLOW
#undef UNDERFLOW
#define DOMAIN 1
#define OVERFLOW 3
#define UNDERFLOW 4

// Compilers in GNU mode
#undef unix
#undef linux
#define unix 1
#define linux 1
