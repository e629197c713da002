// The two functions that Python calls: which instruction sets there are, and run one job with one of them.

#include "kernel.hpp"

#if defined(_WIN32)
#define FOCAL_EXPORT extern "C" __declspec(dllexport)
#else
#define FOCAL_EXPORT extern "C" __attribute__((visibility("default")))
#endif

namespace baseline { int32_t run(const Job&); }
#if defined(FOCAL_X86)
namespace avx2 { int32_t run(const Job&); }
namespace avx512 { int32_t run(const Job&); }
#endif

// Bit i: instruction set i (0 baseline, 1 AVX2 with FMA, 2 AVX-512) was compiled in and this machine has it.
FOCAL_EXPORT int32_t focal_available() {
  int32_t available = 1;
#if defined(FOCAL_X86)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) available |= 2;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && (available & 2))
    available |= 4;
#endif
  return available;
}

FOCAL_EXPORT int32_t focal_run(const Job* job, int32_t instruction_set) {
#if defined(FOCAL_X86)
  if (instruction_set == 2) return avx512::run(*job);
  if (instruction_set == 1) return avx2::run(*job);
#endif
  (void)instruction_set;
  return baseline::run(*job);
}
