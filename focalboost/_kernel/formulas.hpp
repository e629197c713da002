// The formulas of docs/math.md for one row, in its letters. focalboost/_binary.py, _softmax.py and _curvature.py
// have the same formulas for arrays, and a test compares the two.
//
//   s margin of the observed class, p = sigmoid(s), q = sigmoid(-s), L = -log p, M = -log q, g = gamma
//   slope      A = q^g (q + g p L)                                       minus the first derivative
//   hessian    q^g [(1 + 2g) p q - g (q - g p) p L]
//   guarded    hessian for s >= 0, else max(hessian, (A(s) - A(-s)) / (2 |s|))
//
// Compiled for every instruction set by kernel.cpp, and for CUDA by kernel.cu.

#pragma once

#include "elementary.hpp"

namespace FOCAL_ISA {

template <class T>
struct Terms {
  T p, q, L, M;
  T size, log1p_e;  // L and M are their sums; q^g needs the two terms separately
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
  T value = halves % 2 ? sqrt(q) : T(1);
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

// Closer to 0 than this, the chord loses more digits than the exact derivative differs from it.
FOCAL_INLINE float near_zero(float) { return 3e-4f; }
FOCAL_INLINE double near_zero(double) { return 1e-6; }

enum Policy { Exact = 0, Guarded = 1 };

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

// ---- binary ----------------------------------------------------------------------------------------

// What all rows of a binary loss share: gamma and alpha of negatives (0) and positives (1).
template <class T>
struct Binary {
  Gamma<T> g0, g1;
  T a0, a1, floor, factor;

  FOCAL_INLINE Binary(const double* gamma, const double* alpha, double floor_, double factor_)
      : g0{T(gamma[0]), T(gamma[0] - T(gamma[0]))}, g1{T(gamma[1]), T(gamma[1] - T(gamma[1]))},
        a0(T(alpha[0])), a1(T(alpha[1])), floor(T(floor_)), factor(T(factor_)) {}
};

template <int halves, int policy, class T>
FOCAL_INLINE Pair<T> binary_row(T z, bool positive, T w, const Binary<T>& loss) {
  const T wa = w * (positive ? loss.a1 : loss.a0);
  const Gamma<T> g{positive ? loss.g1.value : loss.g0.value, positive ? loss.g1.low : loss.g0.low};
  const Pair<T> of = observed<halves, policy>(terms(positive ? z : -z), g);
  return {(positive ? of.gradient : -of.gradient) * wa, larger(of.curvature, loss.floor) * wa * loss.factor};
}

// ---- softmax ---------------------------------------------------------------------------------------
//
//   t the true class, J that of the largest margin z_1, z_2 the second largest
//   x_k = exp(z_k - z_2), 0 at J;  total = sum of x;  gap = exp(z_2 - z_1);  rest = gap total
//   p_J = 1 / (1 + rest),  p_k = gap x_k / (1 + rest);  no complement is formed as 1 - p where p > 1/2
//   true class: the binary formulas at p_t;  others: A r q + B r^2,  r = p_j / q_t

// exp(z_k - z_2) with the rounding of the difference carried along.
template <class T>
FOCAL_INLINE T behind_second(T z, T second) {
  const T difference = z - second, back = difference + second;
  return exp_of(difference, (z - back) - (second - (back - difference)));
}

// q^g and A where log q is at hand.
template <int halves>
FOCAL_INLINE double power_at(double q, double log_q, double g) {
  if constexpr (halves == General) return exp_of(g * log_q);
  return product<halves>(q);
}
template <int halves>
FOCAL_INLINE double slope_at(double p, double q, double L, double log_q, double g) {
  return power_at<halves>(q, log_q, g) * fma_(g, p * L, q);
}

// What the loop over the classes needs of a row: weights, factor and floor inside.
template <class T>
struct Row {
  T A_g, A_h, B_h;       // for gradient and curvature
  T r_per_x, p_per_x;    // r_j and p_j by x_j
  T least;               // the floor
  T g_top, h_top, h_true;

  FOCAL_INLINE Pair<T> of_class(T x, bool is_top, bool is_true) const {
    const T r = x * r_per_x, q = T(1) - x * p_per_x;  // p <= 1/2 for all classes but J
    const T exact = larger(r * fma_(B_h, r, A_h * q), least);
    const T slope = is_top ? g_top : A_g * r, curvature = is_top ? h_top : exact;
    return {is_true ? -A_g : slope, is_true ? h_true : curvature};
  }
};

// others = total - x_true, a sum of its own so that nothing cancels; wa = alpha_t times the sample weight.
template <int halves, int policy, class T>
FOCAL_INLINE Row<T> softmax_row(T first, T second, T z_true, T total, T others_, T x_true, bool true_top, double g,
                                double wa, double floor, double factor) {
  const double z_1 = first, z_2 = second, sum_x = total, others = others_;
  const double log_total = log_of(sum_x), gap = exp_of(z_2 - z_1), log_rest = (z_2 - z_1) + log_total;
  const double rest = gap * sum_x, sum = 1.0 + rest, inverse = 1.0 / sum, log_sum = log1p_of(rest, inverse);
  const double not_true = 1.0 + gap * others;  // sum over k != t of exp(z_k - z_J), t not J
  const double p = true_top ? inverse : gap * static_cast<double>(x_true) * inverse;
  const double q = (true_top ? rest : not_true) * inverse;
  const double L = true_top ? log_sum : log_sum - (static_cast<double>(z_true) - z_1);
  const double log_q = true_top ? log_rest - log_sum : log_of(not_true) - log_sum;

  const double power = power_at<halves>(q, log_q, g), pL = p * L;
  const double A = power * fma_(g, pL, q);
  double h_t = power * fma_(1.0 + g + g, p * q, -(g * fma_(-g, p, q)) * pL);
  const double B = power * g * (2.0 * p * q - (q - (g - 1.0) * p) * pL);
  const double r_top = 1.0 / not_true;
  double h_J = A * r_top * (rest * inverse) + B * r_top * r_top;
  if constexpr (policy == Guarded) {
    const double close = near_zero(T(0));
    const double s = -log_q - L, size = magnitude(s);
    const double rise = A - slope_at<halves>(q, p, -log_q, -L, g);
    const bool wrong = s < 0 && size >= close;
    const double chord = 0.5 * rise / (wrong ? size : 1.0);
    h_t = wrong && chord > h_t ? chord : h_t;
    // J where it is not the true class: mirrored, p_J' = rest / sum, and the others share p_J.
    const double share = static_cast<double>(x_true) / sum_x, shares = others / sum_x;
    const bool alone = others == 0;
    const double log_share = (static_cast<double>(z_true) - z_2) - log_total;
    const double q_m = (rest + shares) * inverse;
    const double log_q_m = (alone ? log_rest : log_of(rest + shares + (alone ? 1.0 : 0.0))) - log_sum;
    const double A_m = slope_at<halves>(share * inverse, q_m, log_sum - log_share, log_q_m, g);
    const double r_m = alone ? 1.0 : rest / (rest + shares);
    const bool wrong_top = log_rest < 0 && -log_rest >= close;
    const double chord_top = 0.5 * (A * r_top - A_m * r_m) / (wrong_top ? -log_rest : 1.0);
    h_J = wrong_top && chord_top > h_J ? chord_top : h_J;
  }
  const double scale = wa * factor;
  return {T(A * wa),
          T(A * scale),
          T(B * scale),
          T(true_top ? 1.0 / sum_x : gap * r_top),
          T(gap * inverse),
          T(floor * scale),
          T(A * r_top * wa),
          T(larger(h_J, floor) * scale),
          T(larger(h_t, floor) * scale)};
}

}  // namespace FOCAL_ISA
