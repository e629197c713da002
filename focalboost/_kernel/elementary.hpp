// exp, log and log1p on the ranges that the formulas need: branch-free, so that loops over them vectorise,
// and with explicit fma, so that every instruction set that has it rounds alike.
//
// Minimax polynomials (Remez exchange). Relative error below 1 ulp + half an ulp of the argument.

#pragma once

#if defined(__CUDACC_RTC__)  // CUDA's runtime compiler has no C++ library, and brings these functions itself
using int32_t = int;
using uint32_t = unsigned int;
using int64_t = long long;
using uint64_t = unsigned long long;
#else
#include <cmath>
#include <cstdint>
#include <cstring>
#endif

#if defined(__CUDACC__)
#define FOCAL_INLINE __device__ __forceinline__
#elif defined(_MSC_VER)
#define FOCAL_INLINE __forceinline
#define FOCAL_APART __declspec(noinline)
#else
#define FOCAL_INLINE inline __attribute__((always_inline))
#define FOCAL_APART __attribute__((noinline))  // inlined, every caller would have a copy
#endif

namespace FOCAL_ISA {

#if !defined(__CUDACC__)
using std::fabs;
using std::fma;
using std::memcpy;
using std::sqrt;
#endif

#if defined(__FMA__) || defined(__aarch64__) || defined(__CUDACC__)
FOCAL_INLINE float fma_(float a, float b, float c) { return fma(a, b, c); }
FOCAL_INLINE double fma_(double a, double b, double c) { return fma(a, b, c); }
// What the product a b loses in rounding.
FOCAL_INLINE float lost(float a, float b, float product) { return fma(a, b, -product); }
FOCAL_INLINE double lost(double a, double b, double product) { return fma(a, b, -product); }
#else  // std::fma would be a call into the C library, a hundred times slower
FOCAL_INLINE float fma_(float a, float b, float c) { return a * b + c; }
FOCAL_INLINE double fma_(double a, double b, double c) { return a * b + c; }
FOCAL_INLINE float lost(float a, float b, float product) { return float(double(a) * b - product); }
FOCAL_INLINE double lost(double, double, double) { return 0.0; }
#endif

template <class To, class From>
FOCAL_INLINE To bits(From value) {
  static_assert(sizeof(To) == sizeof(From), "same size");
  To out;
  memcpy(&out, &value, sizeof out);
  return out;
}

template <class T>
FOCAL_INLINE T polynomial(T, T highest) { return highest; }
// Coefficients from the constant upwards.
template <class T, class... More>
FOCAL_INLINE T polynomial(T x, T lowest, More... more) { return fma_(polynomial(x, more...), x, lowest); }

// exp(x + low) for x <= 0 and |low| below an ulp of x; 0 where the result would be subnormal.
FOCAL_INLINE float exp_of(float x, float low = 0.0f) {
  const float far = -87.33f, magic = 12582912.0f;  // adding magic rounds to a whole number
  const float inside = x < far ? far : x;
  const float shifted = fma_(inside, 1.44269504f, magic);
  const float n = shifted - magic;
  const float f = fma_(n, 2.12194440e-4f, fma_(n, -0.693359375f, inside)) + low;
  const float tail = polynomial(f, 0.4999999403953552f, 0.1666651964187622f, 0.04166839271783829f,
                                0.008368780836462975f, 0.001381446374580264f);
  const float y = fma_(tail, f * f, f) + 1.0f;
  const float scaled = bits<float>(bits<uint32_t>(y) + (bits<uint32_t>(shifted) << 23));
  return x < far ? 0.0f : scaled;
}

FOCAL_INLINE double exp_of(double x, double low = 0.0) {
  const double far = -708.0, magic = 6755399441055744.0;
  const double inside = x < far ? far : x;
  const double shifted = fma_(inside, 1.4426950408889634, magic);
  const double n = shifted - magic;
  const double f = fma_(n, -1.9082149292705877e-10, fma_(n, -6.9314718036912382e-01, inside)) + low;
  const double tail = polynomial(f, 0.5, 0.16666666666666682, 0.041666666666666095, 0.008333333333317034,
                                 0.0013888888889115594, 0.00019841269896383307, 2.4801586926692972e-05,
                                 2.7557234862388773e-06, 2.755758180062352e-07, 2.511203668817804e-08,
                                 2.0826641031914965e-09);
  const double y = fma_(tail, f * f, f) + 1.0;
  const double scaled = bits<double>(bits<uint64_t>(y) + (bits<uint64_t>(shifted) << 52));
  return x < far ? 0.0 : scaled;
}

// log(x) for normal x > 0; in float the error is below 2e-7 of the larger of 1 and the result.
FOCAL_INLINE float log_of(float x) {
  const uint32_t root_half = 0x3f3504f3u;  // m in [sqrt 1/2, sqrt 2)
  const int32_t n = static_cast<int32_t>(bits<uint32_t>(x) - root_half) >> 23;
  const float f = bits<float>(bits<uint32_t>(x) - (static_cast<uint32_t>(n) << 23)) - 1.0f;
  const float s = f / (2.0f + f), z = s * s;
  const float tail = polynomial(z, 0.66666667f, 0.4f, 0.28571429f, 0.22222222f);
  return fma_(static_cast<float>(n), 0.69314718f, fma_(s * z, tail, 2.0f * s));
}
FOCAL_INLINE double log_of(double x) {
  const uint64_t root_half = 0x3fe6a09e667f3bcdULL;  // m in [sqrt 1/2, sqrt 2)
  const uint64_t biased = (bits<uint64_t>(x) - root_half + (1024ULL << 52)) >> 52;
  const double n = bits<double>(biased | 0x4330000000000000ULL) - (4503599627370496.0 + 1024.0);
  const double f = bits<double>(bits<uint64_t>(x) - ((biased - 1024) << 52)) - 1.0;
  const double s = f / (2.0 + f), z = s * s, half = 0.5 * f * f;
  const double r = z * polynomial(z, 0.6666666666666735, 0.3999999999941132, 0.28571428743219396,
                                  0.2222219847993458, 0.1818356955298526, 0.15313907669558538,
                                  0.1479746627958322);
  return fma_(n, 6.93147180369123816490e-01, f - (half - fma_(s, half + r, n * 1.90821492927058770002e-10)));
}

// log(1 + e) for e in [0, 1]; r = 1 / (1 + e).
FOCAL_INLINE float log1p_of(float e, float) {
  const float tail = polynomial(e, -0.4999993145465851f, 0.33330512046813965f, -0.24958586692810059f,
                                0.19695399701595306f, -0.15355394780635834f, 0.10680554062128067f,
                                -0.05766443535685539f, 0.020204581320285797f, -0.0033184722997248173f);
  return fma_(tail, e * e, e);
}
FOCAL_INLINE double log1p_of(double e, double r) {
  const double u = 1.0 + e;
  return fma_(e - (u - 1.0), r, log_of(u));  // what 1 + e has rounded away
}

template <class T>
FOCAL_INLINE T larger(T a, T b) { return a > b ? a : b; }
FOCAL_INLINE float magnitude(float x) { return fabs(x); }
FOCAL_INLINE double magnitude(double x) { return fabs(x); }
FOCAL_INLINE bool is_finite(float x) { return magnitude(x) <= 3.4028234663852886e38f; }
FOCAL_INLINE bool is_finite(double x) { return magnitude(x) <= 1.7976931348623157e308; }

}  // namespace FOCAL_ISA
