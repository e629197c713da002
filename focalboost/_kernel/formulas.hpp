// The formulas of docs/math.md for one row, in its letters. focalboost/_binary.py, _softmax.py and _curvature.py
// have the same formulas for arrays, and a test compares the two.
//
//   s margin of the observed class, p = sigmoid(s), q = sigmoid(-s), L = -log p, M = -log q, g = gamma
//   slope      A = q^g (q + g p L)                                       minus the first derivative
//   hessian    q^g [(1 + 2g) p q - g (q - g p) p L]
//   guarded    max(hessian, A / c):  no row asks for a step longer than c
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

enum Policy { Exact = 0, Guarded = 1 };

// The largest step that a row may ask for, c: docs/math.md; _curvature.py has the same number.
constexpr double kLongestStep = 16.0;

template <class T>
struct Pair {
  T gradient, curvature;
};

template <int halves, int policy, class T>
FOCAL_INLINE Pair<T> observed(const Terms<T>& t, Gamma<T> gamma) {
  const T g = gamma.value, own = power<halves>(t, gamma), A = slope(t, own, g), h = hessian(t, own, g);
  return {-A, policy == Exact ? h : larger(h, A * T(1 / kLongestStep))};
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

// q^g where log q is known.
template <int halves>
FOCAL_INLINE double power_at(double q, double log_q, double g) {
  if constexpr (halves == General) return exp_of(g * log_q);
  return product<halves>(q);
}
// What the loop over the classes needs of a row: weights, factor and floor inside.
template <class T>
struct Row {
  T A_g, A_h, B_h;       // for gradient and curvature
  T A_c;                 // A_h / c if guarded, else 0
  T r_per_x, p_per_x;    // r_j and p_j by x_j
  T least;               // the floor
  T g_top, h_top, h_true;

  FOCAL_INLINE Pair<T> of_class(T x, bool is_top, bool is_true) const {
    const T r = x * r_per_x, q = T(1) - x * p_per_x;  // p <= 1/2 for all classes but J
    const T h = larger(larger(r * fma_(B_h, r, A_h * q), A_c * r), least);
    const T slope = is_top ? g_top : A_g * r, curvature = is_top ? h_top : h;
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
  // J's r where another class is true, and what x is divided by to be an r.
  const double r_top = 1.0 / (true_top ? sum_x : not_true);
  double h_J = A * r_top * (rest * inverse) + B * r_top * r_top;
  const double least = policy == Guarded ? A / kLongestStep : 0.0;
  if constexpr (policy == Guarded) {
    h_t = larger(h_t, least);
    h_J = larger(h_J, least * r_top);
  }
  const double scale = wa * factor, lowest = larger(floor, -1e300);  // finite: weights may be 0
  return {T(A * wa),
          T(A * scale),
          T(B * scale),
          T(least * scale),
          T(true_top ? r_top : gap * r_top),
          T(gap * inverse),
          T(lowest * scale),
          T(A * r_top * wa),
          T(larger(h_J, floor) * scale),
          T(larger(h_t, floor) * scale)};
}

// ---- canonical link --------------------------------------------------------------------------------
//
// The link needs functions of one variable that have no closed form. They come as tables of cubics, which
// focalboost/_tables.py makes: of a distance d >= 0, in pieces whose width doubles with each octave of 1 + d.

constexpr int kLogPiecesBinary = 6, kLogPiecesSoftmax = 8;  // of the number in an octave
constexpr int kOctavesBinary = 16, kOctavesSoftmax = 6;
constexpr int kPiecesBinary = kOctavesBinary << kLogPiecesBinary, kPiecesSoftmax = kOctavesSoftmax << kLogPiecesSoftmax;

struct Place {
  int32_t piece;
  float t;  // in [0, 1) of the piece
  float per_width;
};

template <int octaves, int log_pieces>
FOCAL_INLINE Place place(float distance) {
  const float last = float(uint32_t(1) << octaves) * 0.999999f;
  const float from_one = distance + 1.0f, inside = from_one < last ? from_one : last;
  const uint32_t b = bits<uint32_t>(inside), within = b & ((1u << (23 - log_pieces)) - 1u);
  return {static_cast<int32_t>(b >> (23 - log_pieces)) - (127 << log_pieces),
          bits<float>((within << log_pieces) | 0x3f800000u) - 1.0f,
          bits<float>((static_cast<uint32_t>(254 + log_pieces) << 23) - (b & 0x7f800000u))};
}

struct Cubic {
  float c0, c1, c2, c3;

  FOCAL_INLINE float value(float t) const { return fma_(fma_(fma_(c3, t, c2), t, c1), t, c0); }
  FOCAL_INLINE float slope(float t) const { return fma_(fma_(3.0f * c3, t, 2.0f * c2), t, c1); }
};

// gradient v(u) (eta - y); the table has v above the middle, then below it.
template <class T>
struct Canonical {
  T middle, floor, factor;
};

template <class T>
FOCAL_INLINE Place canonical_place(T u, T middle) {
  const T offset = u - middle;
  Place at = place<kOctavesBinary, kLogPiecesBinary>(static_cast<float>(magnitude(offset)));
  at.piece += offset < T(0) ? kPiecesBinary : 0;
  return at;
}

template <int policy, class T>
FOCAL_INLINE Pair<T> canonical_row(T u, bool positive, T w, const Canonical<T>& loss, const Cubic& c, float t, float per_width) {
  const T e = exp_of(-magnitude(u)), sure = T(1) / (T(1) + e), unsure = e * sure;
  const bool agrees = (u >= T(0)) == positive;
  const T right = agrees ? sure : unsure, wrong = agrees ? unsure : sure;
  const T gradient = c.value(t) * wrong;
  T h = gradient * larger(right, T(1 / kLongestStep));
  if constexpr (policy == Exact) {
    const T dv = c.slope(t) * per_width;
    h = gradient * right + ((u < loss.middle) == positive ? dv : -dv) * wrong;
  }
  return {(positive ? -gradient : gradient) * w, larger(h, loss.floor) * w * loss.factor};
}

// Softmax, in float. With m = log(p / A) + log q of a class, which the margins give up to a constant of the row, the
// scores p must sum to 1. J is the class that alone may have p > 1/2, s its logit. For the others p = exp(m) a(d), d
// how far m is below its value at p = 1/2, and dp/dm = exp(m) B, B = A / N = a + da/dm.
FOCAL_INLINE double m_at_half(double g) { return (g - 1.0) * 0.69314718055994531 - log_of(1.0 + g * 0.69314718055994531); }

struct Top {
  float p, q, M, m, N, w, D, E;  // E = g D / (1 + g w)
};

FOCAL_INLINE Top top_at(float s, float g) {
  const float size = magnitude(s), e = exp_of(size < 80.0f ? -size : -80.0f);  // so that q / N has no 0 / 0
  const float r = 1.0f / (1.0f + e), l = log1p_of(e, r);
  const bool right = s >= 0.0f;
  const float p = right ? r : e * r, q = right ? e * r : r, L = right ? l : size + l, M = right ? size + l : l;
  const float w = p * (1.0f + e) * (right ? l / e : L), D = w - p, scale = fma_(g, w, 1.0f), E = g * D / scale;
  return {p, q, M, fma_(g, M, -L) - log_of(scale), fma_(g, p, q) - E, w, D, E};
}

// A start for s, J's logit, where J's posterior odds against the rest are exp(odds): the smaller of the tangent at
// equal odds and the asymptote at large ones.
FOCAL_INLINE float start_of(float odds, float tangent, float g, float log1p_g) {
  const float near = odds * tangent, far = (odds + log1p_g) / (1.0f + g);
  return near < far ? near : far;
}

FOCAL_INLINE float tangent_of(float g) { return 0.5f / top_at(0.0f, g).N; }

// Below d = 0 the first piece goes on: the other classes seem to come as near as that while s is not yet right. It goes
// on as far as an answer may be from where the table is read, kLongestShift; beyond, a stays what it is there, since a
// cubic would run away, and p = exp(m) a still brings Newton's method back: such a reading is never the last.
constexpr float kGoesOn = 0.0625f;
FOCAL_INLINE bool is_off(float distance) { return distance < -kGoesOn; }
FOCAL_INLINE Place place_below(float distance) {
  Place at = place<kOctavesSoftmax, kLogPiecesSoftmax>(distance > 0.0f ? distance : 0.0f);
  const float beyond = distance > -kGoesOn ? distance : -kGoesOn;
  at.t += distance < 0.0f ? beyond * float(1 << kLogPiecesSoftmax) : 0.0f;
  at.per_width = is_off(distance) ? 0.0f : at.per_width;
  return at;
}

// A function of rho, by its derivatives where the table was read.
struct Taylor {
  float f0, f1, f2, f3;

  FOCAL_INLINE float value(float shift) const {
    return fma_(fma_(fma_(f3 * (1.0f / 3.0f), shift, f2) * 0.5f, shift, f1), shift, f0);
  }
  FOCAL_INLINE float slope(float shift) const { return fma_(fma_(f3 * 0.5f, shift, f2), shift, f1); }
};

// a(d - rho) of a class.
FOCAL_INLINE Taylor taylor(const Cubic& c, float t, float per_width) {
  const float twice = per_width * per_width * 2.0f;
  return {c.value(t), -c.slope(t) * per_width, fma_(3.0f * c.c3, t, c.c2) * twice, -3.0f * c.c3 * twice * per_width};
}

// Its B, as f0 + f1 shift + f2 shift^2 / 2.
struct Slope {
  float f0, f1, f2;

  FOCAL_INLINE float value(float shift) const { return fma_(fma_(f2 * 0.5f, shift, f1), shift, f0); }
  FOCAL_INLINE float slope(float shift) const { return fma_(f2, shift, f1); }
};

FOCAL_INLINE Slope slope_of(const Taylor& a, float x) { return {x * (a.f0 + a.f1), x * (a.f1 + a.f2), x * (a.f2 + a.f3)}; }

// The table is read once a class, at a good guess of rho; how far the answer may be from that: the error of B is below
// 1.3 shift^3 / 6 of it, and of its slope, which the exact policy needs, below 1.3 shift^2 / 2. Rows farther away read again.
constexpr int kMostReadings = 12;
template <int policy>
constexpr float kLongestShift = policy == Exact ? 2e-3f : 0.05f;
// Beyond this the sum of the others is not to be trusted at all.
constexpr float kFarShift = 0.5f;
constexpr float kTiny = 1e-30f;  // a class with an x below this is so far behind that B is 1

// Beyond this lead of J in the margins nothing changes any more: at gamma 10, q of J is exp(-91) there. A larger lead
// would only take the digits of what is added to it.
constexpr float kLargestLead = 1000.0f;

// By how much a step of Newton's method moves s, so that log(sum of the other p) is log q of J. sum and slope in rho.
FOCAL_INLINE float newton(float p, float M, float N, float rho, float sum, float slope) {
  return (rho + log_of(sum) + M) / fma_(N, 1.0f + slope / sum, p);
}

// At the start all classes but J and the nearest are replaced by equal ones with the same sum of squares: how far those
// are behind, up to J's m at p = 1/2.
FOCAL_INLINE float behind_half(float sum, float squares, float nearest) {
  const float rest = larger(sum - nearest, 1e-6f * sum), of_rest = larger(fma_(-nearest, nearest, squares), 1e-6f * squares);
  return log_of(rest / of_rest);
}

// Two Newton steps from s, with the sum of the other p by exp(rho), as read at rho; by how much the first moved rho.
struct Solved {
  float s, shift;
};

FOCAL_INLINE Solved solve(float s, float step, float g, float gap, float rho, const Taylor& sum) {
  const float once = s - step;
  const Top at = top_at(once, g);
  const float moved = at.m - gap, shift = moved - rho;
  const float inside = shift > kFarShift ? kFarShift : shift < -kFarShift ? -kFarShift : shift;
  const float again = newton(at.p, at.M, at.N, moved, larger(sum.value(inside), 0.1f * sum.f0), sum.slope(inside));
  return {magnitude(shift) < kFarShift ? once - again : once, magnitude(shift)};
}

// J at its final logit. dp/dm is in units of exp(rho), as those of the other classes.
struct Leader {
  float rho, pi, d_pi, eta, per_eta, B, dB;
};

template <int policy>
FOCAL_INLINE Leader leader_at(float s, float g, float gap, float lead, float total) {
  const Top at = top_at(s, g);
  const float rho = at.m - gap, other = -at.M - rho, per_N = 1.0f / at.N;
  const float rest = total * (lead > 0.0f ? exp_of(-lead) : 1.0f / exp_of(lead)), eta = 1.0f / (1.0f + rest);
  const float scale = fma_(g, at.w, 1.0f), B = exp_of(-(1.0f + g) * at.M) * scale * per_N;
  const float pi = at.p * per_N * (other < 0.0f ? exp_of(other) : 1.0f / exp_of(-other));
  if constexpr (policy == Exact) {
    // -B (R N + dN) / N^2 and pi (N (q - p) - dN) / N^2, multiplied out: N is q, and tiny, at g = 0.
    const float gp = g * at.p, ratio = at.q * per_N;
    const float dE = (g * (at.D - at.p * at.q) - g * at.D * at.E) / scale;
    const float of_B = gp * (gp + at.p + 2.0f * at.q) - at.E * (1.0f + 2.0f * gp) + at.E * at.E - dE;
    const float of_pi = dE - gp * at.p - at.E * (at.q - at.p);
    return {rho, pi, pi * (ratio * ratio + of_pi * per_N * per_N), eta, rest * eta / total, B,
            -B * (of_B * per_N * per_N)};
  }
  return {rho, pi, 0.0f, eta, rest * eta / total, B, 0.0f};
}

// What the loop over the classes needs of a row: sum_B and sum_d are over the classes other than J, others over those
// that are not true; B and dB are those of the true class, times weights.
struct CanonicalRow {
  float shift, pi_top, d_top, eta_top, per_eta, per_total, sum_B, sum_d, others, B, dB, least, factor;

  // x of the class by its alpha, and its x B.
  template <int policy>
  FOCAL_INLINE Pair<float> of_class(float x, const Slope& xB, bool is_top, bool is_true) const {
    const float value = xB.value(shift), pi = is_top ? pi_top : value, eta = is_top ? eta_top : x * per_eta;
    const float W = pi * per_total, error = is_true ? others * per_total : W, slope = B * error;  // |W - [j = t]|
    const float right = is_true ? eta : 1.0f - eta;
    float h = slope * larger(right, static_cast<float>(1 / kLongestStep));
    if constexpr (policy == Exact) {
      const float d_pi = is_top ? d_top : value + xB.slope(shift);
      const float rest = is_top ? sum_d : sum_d - d_pi + d_top, left = is_top ? sum_B * per_total : 1.0f - W;
      h = B * fma_(W * W, rest, d_pi * left * left) * per_total - dB * error * error;
    }
    return {is_true ? -slope : slope, larger(h, least) * factor};
  }
};

// sum: of the other p by exp(rho), as read at rho; x and xB of the true class; wa = alpha_t times the sample weight.
FOCAL_INLINE CanonicalRow canonical_softmax_row(const Leader& J, float rho, const Taylor& sum, float x, const Slope& xB,
                                                bool true_top, float wa, float least, float factor) {
  const float shift = J.rho - rho, slope = sum.slope(shift), sum_B = sum.value(shift) + slope;
  const float pi_true = xB.value(shift), d_true = xB.slope(shift), per_x = 1.0f / larger(x, kTiny);
  const float rest = J.pi + larger(sum_B - pi_true, 0.0f);  // no cancellation: J.pi is at least sum_B / (1 + g)
  const bool tiny = x < kTiny;
  const float B = tiny ? 1.0f : pi_true * per_x, dB = tiny ? 0.0f : d_true * per_x;
  return {shift,
          J.pi,
          J.d_pi,
          J.eta,
          J.per_eta,
          1.0f / (sum_B + J.pi),
          sum_B,
          sum_B + slope + fma_(sum.f3, shift, sum.f2),
          true_top ? sum_B : rest,
          (true_top ? J.B : B) * wa,
          (true_top ? J.dB : dB) * wa,
          least,
          factor};
}

}  // namespace FOCAL_ISA
