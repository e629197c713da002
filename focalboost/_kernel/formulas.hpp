// The formulas of docs/math.md for one row, in its letters; focalboost/_binary.py and curvature.py say the same
// in array form, and a test holds the two together.
//
//   s margin of the observed class, p = sigmoid(s), q = sigmoid(-s), L = -log p, M = -log q, g = gamma
//   slope      A = q^g (q + g p L)                                       minus the first derivative
//   hessian    q^g [(1 + 2g) p q - g (q - g p) p L]
//   guarded    hessian for s >= 0, else max(hessian, (A(s) - A(-s)) / (2 |s|))
//   expected   (A0 h1 + A1 h0) / (A0 + A1), weights inside, the subscript the label

#pragma once

#include "elementary.hpp"

namespace FOCAL_ISA {

template <class T>
struct Terms {
  T p, q, L, M;
  T size, log1p_e;  // of which L and M are sums: q^g needs them apart
  bool right;

  FOCAL_INLINE Terms mirror() const { return {q, p, M, L, size, log1p_e, !right}; }
};

template <class T>
FOCAL_INLINE Terms<T> terms(T s) {
  const T size = magnitude(s), e = exp_of(-size), r = T(1) / (T(1) + e), l = log1p_of(e, r);
  const bool right = s >= T(0);
  return {right ? r : e * r, right ? e * r : r, right ? l : size + l, right ? size + l : l, size, l, right};
}

// gamma in two parts: in float, the rounding of 1.7 alone would cost 2e-6 of q^g at s = 80.
template <class T>
struct Gamma {
  T value, low;
};

// q^g with g known when compiled, as a number of halves (to 2: beyond, products lose more than the
// exponential); General takes it from the row.
enum Halves { General = -1 };

template <int halves, class T>
FOCAL_INLINE T product(T q) {
  T value = halves % 2 ? std::sqrt(q) : T(1);
  for (int i = 0; i < halves / 2; ++i) value *= q;
  return value;
}

template <int halves, class T>
FOCAL_INLINE T power(const Terms<T>& t, Gamma<T> gamma) {
  if constexpr (halves == General) {
    // exp(-g M), the rounding of g M carried along: without that its error is that of g M in ulps.
    const T g = gamma.value, far = t.right ? t.size : T(0), product = g * far;
    const T low = fma_(gamma.low, t.M, lost(g, far, product));
    const T rest = g * t.log1p_e, sum = product + rest, back = sum - product;
    return exp_of(-sum, -((product - (sum - back)) + (rest - back) + low));
  } else {
    return product<halves>(t.q);
  }
}

template <class T>
FOCAL_INLINE T slope(const Terms<T>& t, T power, T g) { return power * fma_(g, t.p * t.L, t.q); }

template <class T>
FOCAL_INLINE T hessian(const Terms<T>& t, T power, T g) {
  return power * fma_(T(1) + g + g, t.p * t.q, -(g * fma_(-g, t.p, t.q)) * (t.p * t.L));
}

// Below, the chord loses more digits than the exact derivative differs from it.
FOCAL_INLINE float near_zero(float) { return 3e-4f; }
FOCAL_INLINE double near_zero(double) { return 1e-6; }

enum Policy { Exact = 0, Guarded = 1, Expected = 2 };

template <class T>
struct Pair {
  T gradient, curvature;
};

template <int halves, int policy, class T>
FOCAL_INLINE Pair<T> observed(const Terms<T>& t, Gamma<T> gamma) {
  const T g = gamma.value, own = power<halves>(t, gamma), A = slope(t, own, g), h = hessian(t, own, g);
  if constexpr (policy == Exact) return {-A, h};
  const Terms<T> m = t.mirror();
  const T rise = A - slope(m, power<halves>(m, gamma), g);
  const bool wrong = !t.right && t.size >= near_zero(t.size);
  const T chord = T(0.5) * rise / (wrong ? t.size : T(1));
  return {-A, wrong && chord > h ? chord : h};
}

}  // namespace FOCAL_ISA
