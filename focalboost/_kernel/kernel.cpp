// Gradient and curvature of all rows in one pass. Compiled once for each instruction set, into a namespace of its
// name (FOCAL_ISA): the compiler vectorises the loops over a block of rows. Rows never meet, so a result
// depends neither on blocks nor on threads.

#include "kernel.hpp"

#include <cstdlib>
#include <limits>

#include "formulas.hpp"

namespace FOCAL_ISA {
namespace {

constexpr int kBlock = 512;

// ---- reading ---------------------------------------------------------------------------------------

template <class Source, class T>
uint32_t read_as(const Source* from, int n, T* to, T highest) {
  uint32_t bad = 0;
  for (int i = 0; i < n; ++i) {
    const Source value = from[i];
    const T out = static_cast<T>(value);
    bad |= !(value >= Source(0)) | !(out <= highest);
    to[i] = out;
  }
  return bad;
}

template <class T>
FOCAL_APART bool read_weights(const Job& job, int64_t row, int n, T* to) {
  const T most = std::numeric_limits<T>::max();
  if (job.weight_type == Float32) return !read_as(static_cast<const float*>(job.weight) + row, n, to, most);
  return !read_as(static_cast<const double*>(job.weight) + row, n, to, most);
}

// Labels become int32; what is no whole number in [0, classes) is complained about and read as 0.
template <class Source>
bool labels_of(const Source* from, int n, int32_t classes, int32_t* to) {
  uint32_t bad = 0;
  for (int i = 0; i < n; ++i) {
    const Source value = from[i];
    const bool inside = value >= Source(0) && value <= Source(classes - 1);
    const int32_t label = static_cast<int32_t>(inside ? value : Source(0));
    bad |= !inside | (static_cast<Source>(label) != value);
    to[i] = label;
  }
  return !bad;
}

FOCAL_APART bool read_labels(const Job& job, int64_t row, int n, int32_t* to) {
  const int32_t k = job.classes == 1 ? 2 : job.classes;
  switch (job.label_type) {
    case Float32: return labels_of(static_cast<const float*>(job.label) + row, n, k, to);
    case Float64: return labels_of(static_cast<const double*>(job.label) + row, n, k, to);
    case Int8: return labels_of(static_cast<const int8_t*>(job.label) + row, n, k > 128 ? 128 : k, to);
    case UInt8: return labels_of(static_cast<const uint8_t*>(job.label) + row, n, k > 256 ? 256 : k, to);
    case Int16: return labels_of(static_cast<const int16_t*>(job.label) + row, n, k > 32768 ? 32768 : k, to);
    case Int32: return labels_of(static_cast<const int32_t*>(job.label) + row, n, k, to);
    default: return labels_of(static_cast<const int64_t*>(job.label) + row, n, k, to);
  }
}

// Every stride-th entry; the two loops differ in that the compiler can vectorise the first.
template <class From, class To>
FOCAL_INLINE void copy(const From* from, int64_t from_stride, To* to, int64_t to_stride, int n) {
  if (from_stride == 1 && to_stride == 1) {
    for (int i = 0; i < n; ++i) to[i] = from[i];
  } else {
    for (int i = 0; i < n; ++i) to[i * to_stride] = from[i * from_stride];
  }
}

// ---- binary ----------------------------------------------------------------------------------------

template <class T, class Out, int halves, int policy>
int32_t binary_rows(const Job& job) {
  const T* margin = static_cast<const T*>(job.margin);
  Out* gradient = static_cast<Out*>(job.gradient);
  Out* curvature = static_cast<Out*>(job.curvature);
  const T v0 = T(job.gamma[0]), v1 = T(job.gamma[1]), a0 = T(job.alpha[0]), a1 = T(job.alpha[1]);
  const Gamma<T> g0{v0, T(job.gamma[0] - v0)}, g1{v1, T(job.gamma[1] - v1)};
  const T floor = T(job.floor), factor = T(job.factor), most = std::numeric_limits<T>::max();
  int32_t label[kBlock];
  T weight[kBlock];
  int32_t complaint = Fine;
  for (int i = 0; i < kBlock; ++i) weight[i] = T(1);

  for (int64_t row = job.start; row < job.stop; row += kBlock) {
    const int n = static_cast<int>(job.stop - row < kBlock ? job.stop - row : kBlock);
    if (!read_labels(job, row, n, label)) complaint |= BadLabel;
    if (job.weight_type != Absent && !read_weights(job, row, n, weight)) complaint |= BadWeight;
    const T* z = margin + row;
    Out* const out_g = gradient + row;
    Out* const out_h = curvature + row;
    int32_t bad = 0;
    for (int i = 0; i < n; ++i) {
      const bool positive = label[i] != 0;
      const T z_i = z[i], w = weight[i];
      bad |= !(magnitude(z_i) <= most);
      if constexpr (policy == Expected) {
        const Terms<T> t = terms(z_i), m = t.mirror();
        const Pair<T> of1 = observed<halves, Exact>(t, g1), of0 = observed<halves, Exact>(m, g0);
        const T A1 = -a1 * of1.gradient, A0 = -a0 * of0.gradient;
        const T mean = (A0 * (a1 * of1.curvature) + A1 * (a0 * of0.curvature)) / (A0 + A1);
        out_g[i] = static_cast<Out>((positive ? -A1 : A0) * w);
        out_h[i] = static_cast<Out>(larger(mean, floor) * w * factor);
      } else {
        const T wa = w * (positive ? a1 : a0);
        const Pair<T> of = observed<halves, policy>(terms(positive ? z_i : -z_i), Gamma<T>{positive ? g1.value : g0.value, positive ? g1.low : g0.low});
        out_g[i] = static_cast<Out>((positive ? of.gradient : -of.gradient) * wa);
        out_h[i] = static_cast<Out>(larger(of.curvature, floor) * wa * factor);
      }
    }
    if (bad) complaint |= BadMargin;
  }
  return complaint;
}

// ---- softmax ---------------------------------------------------------------------------------------

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

// Curvature (K) of the expected policy: rare enough to be plain scalar code.
void expected_row(const Job& job, int k, const double* behind, int top, double log_rest, double* h, double* work) {
  const double rest = exp_of(log_rest), sum = 1.0 + rest, inverse = 1.0 / sum, log_sum = log1p_of(rest, inverse);
  double* post = work;
  double* b = work + k;
  double most = -std::numeric_limits<double>::infinity();
  // behind[j] = log of the share of j among the classes other than J, and p_j = share rest / sum.
  for (int pass = 0; pass < 2; ++pass) {
    double c = 0, off = 0, sum_post = 0;
    for (int j = 0; j < k && pass == 1; ++j) sum_post += post[j] = exp_of(post[j] - most);
    for (int j = 0; j < k; ++j) {
      const bool is_top = j == top;
      const double log_p = is_top ? -log_sum : behind[j] + log_rest - log_sum, p = exp_of(log_p);
      const double q = is_top ? rest * inverse : 1.0 - p, L = -log_p, g = job.gamma[j];
      const double log_q = is_top ? log_rest - log_sum : log_of(q);
      const double L_per_q = !is_top ? L / q : rest > 0 ? log_sum / rest * sum : 1.0;
      const double power = exp_of(g * log_q), u_per_q = fma_(g * p, L_per_q, 1.0);
      if (pass == 0) {
        post[j] = log_p - log_of(job.alpha[j]) - g * log_q - log_of(u_per_q);
        most = larger(most, post[j]);
        continue;
      }
      const double weight = post[j] / sum_post * job.alpha[j] * power;
      c += weight * u_per_q;
      b[j] = weight * g * (2 * p * q - (q - (g - 1) * p) * (p * L));
      if (!is_top) off += b[j] / (q * q);
    }
    if (pass == 0) continue;
    for (int j = 0; j < k; ++j) {
      const bool is_top = j == top;
      const double share = is_top ? 0.0 : exp_of(behind[j]), p = is_top ? inverse : share * rest * inverse;
      const double q = is_top ? rest * inverse : 1.0 - p, own = is_top ? 0.0 : b[j] / (q * q);
      h[j] = c * p * q + b[j] + p * p * (off - own) + b[top] * share * share;
    }
  }
}

template <class T, class Out, int halves, int policy>
int32_t softmax_rows(const Job& job) {
  const int k = job.classes;
  const int64_t at_row = job.margin_by_class ? 1 : k, at_class = job.margin_by_class ? job.rows : 1;
  const int64_t to_row = job.output_by_class ? 1 : k, to_class = job.output_by_class ? job.rows : 1;
  const T most = std::numeric_limits<T>::max();
  // Margins, scratch and both outputs of a block stay in the first cache: C order passes over them once a class.
  const int64_t fits = 16384 / (static_cast<int64_t>(sizeof(T)) * k) / 16 * 16;
  const int block = static_cast<int>(fits < 16 ? 16 : fits > kBlock ? kBlock : fits);
  T* const x = static_cast<T*>(std::malloc(sizeof(T) * block * k));  // (k, block): class-major
  double* const work = policy == Expected ? static_cast<double*>(std::malloc(sizeof(double) * 4 * k)) : nullptr;
  if (!x || (policy == Expected && !work)) {
    std::free(x);
    std::free(work);
    return NoMemory;
  }
  int32_t complaint = Fine;
  int32_t label[kBlock], top[kBlock];
  T weight[kBlock], first[kBlock], second[kBlock], z_true[kBlock], total[kBlock], other[kBlock], x_true[kBlock];
  T A_g[kBlock], A_h[kBlock], B_h[kBlock], r_per_x[kBlock], p_per_x[kBlock], least[kBlock];
  T g_top[kBlock], h_top[kBlock], h_true[kBlock];
  for (int i = 0; i < kBlock; ++i) weight[i] = T(1);

  for (int64_t row = job.start; row < job.stop; row += block) {
    const int n = static_cast<int>(job.stop - row < block ? job.stop - row : block);
    if (!read_labels(job, row, n, label)) complaint |= BadLabel;
    if (job.weight_type != Absent && !read_weights(job, row, n, weight)) complaint |= BadWeight;
    const T* const z = static_cast<const T*>(job.margin) + row * at_row;

    // The two largest margins; the first of equals is J.
    int32_t bad = 0;
    for (int i = 0; i < n; ++i) {
      first[i] = second[i] = -std::numeric_limits<T>::infinity();
      top[i] = 0;
    }
    for (int j = 0; j < k; ++j) {
      const T* const from = z + j * at_class;
      T* const to = x + static_cast<int64_t>(j) * block;
      copy(from, at_row, to, 1, n);
      for (int i = 0; i < n; ++i) {
        const T value = to[i];
        bad |= !(magnitude(value) <= most);
        const bool above = value > first[i];
        second[i] = above ? first[i] : larger(second[i], value);
        top[i] = above ? j : top[i];
        first[i] = above ? value : first[i];
      }
    }
    if (bad) complaint |= BadMargin;
    for (int i = 0; i < n; ++i) z_true[i] = x[static_cast<int64_t>(label[i]) * block + i];

    // x = exp(z_j - second largest), 0 at J; the difference in two parts.
    for (int i = 0; i < n; ++i) total[i] = other[i] = T(0);
    for (int j = 0; j < k; ++j) {
      T* const to = x + static_cast<int64_t>(j) * block;
      for (int i = 0; i < n; ++i) {
        const bool is_top = top[i] == j, is_true = label[i] == j;
        const T a = is_top ? second[i] : to[i], b = second[i];
        const T difference = a - b, back = difference + b;
        const T low = (a - back) - (b - (back - difference));
        const T value = is_top ? T(0) : exp_of(difference, low);
        total[i] += value;
        other[i] += is_true ? T(0) : value;
        to[i] = value;
      }
    }
    for (int i = 0; i < n; ++i) x_true[i] = x[static_cast<int64_t>(label[i]) * block + i];

    for (int i = 0; i < n; ++i) {
      const int t = label[i];
      const double g = job.gamma[t], wa = job.alpha[t] * static_cast<double>(weight[i]);
      const bool true_top = t == top[i];
      const double z_1 = first[i], z_2 = second[i], sum_x = total[i], others = other[i];
      const double log_total = log_of(sum_x), gap = exp_of(z_2 - z_1), log_rest = (z_2 - z_1) + log_total;
      const double rest = gap * sum_x, sum = 1.0 + rest, inverse = 1.0 / sum, log_sum = log1p_of(rest, inverse);
      const double not_true = 1.0 + gap * others;  // sum over k != t of exp(z_k - z_J), t not J
      const double p = true_top ? inverse : gap * static_cast<double>(x_true[i]) * inverse;
      const double q = (true_top ? rest : not_true) * inverse;
      const double L = true_top ? log_sum : log_sum - (static_cast<double>(z_true[i]) - z_1);
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
        const double share = static_cast<double>(x_true[i]) / sum_x, shares = others / sum_x;
        const bool alone = others == 0;
        const double log_share = (static_cast<double>(z_true[i]) - z_2) - log_total;
        const double q_m = (rest + shares) * inverse;
        const double log_q_m = (alone ? log_rest : log_of(rest + shares + (alone ? 1.0 : 0.0))) - log_sum;
        const double A_m = slope_at<halves>(share * inverse, q_m, log_sum - log_share, log_q_m, g);
        const double r_m = alone ? 1.0 : rest / (rest + shares);
        const bool wrong_top = log_rest < 0 && -log_rest >= close;
        const double chord_top = 0.5 * (A * r_top - A_m * r_m) / (wrong_top ? -log_rest : 1.0);
        h_J = wrong_top && chord_top > h_J ? chord_top : h_J;
      }
      const double scale = wa * job.factor, at_least = job.floor;
      A_g[i] = T(A * wa);
      A_h[i] = T(A * scale);
      B_h[i] = T(B * scale);
      r_per_x[i] = T(true_top ? 1.0 / sum_x : gap * r_top);
      p_per_x[i] = T(gap * inverse);
      least[i] = T(at_least * scale);
      g_top[i] = T(A * r_top * wa);
      h_top[i] = T(larger(h_J, at_least) * scale);
      h_true[i] = T(larger(h_t, at_least) * scale);
    }

    Out* const out_g = static_cast<Out*>(job.gradient) + row * to_row;
    Out* const out_h = static_cast<Out*>(job.curvature) + row * to_row;
    for (int j = 0; j < k; ++j) {
      const T* const from = x + static_cast<int64_t>(j) * block;
      Out* const gradient = out_g + j * to_class;
      Out* const curvature = out_h + j * to_class;
      Out g[kBlock], h[kBlock];
      for (int i = 0; i < n; ++i) {
        const bool is_top = top[i] == j, is_true = label[i] == j;
        const T r = from[i] * r_per_x[i], q = T(1) - from[i] * p_per_x[i];  // p <= 1/2: J apart
        const T bare = larger(r * fma_(B_h[i], r, A_h[i] * q), least[i]);
        const T slope = is_top ? g_top[i] : A_g[i] * r, bend = is_top ? h_top[i] : bare;
        g[i] = static_cast<Out>(is_true ? -A_g[i] : slope);
        h[i] = static_cast<Out>(is_true ? h_true[i] : bend);
      }
      copy(g, 1, gradient, to_row, n);
      if constexpr (policy != Expected) copy(h, 1, curvature, to_row, n);
    }

    if constexpr (policy == Expected) {
      for (int i = 0; i < n; ++i) {
        double* const log_share = work;
        double* const bent = work + k;
        const double log_total = log_of(static_cast<double>(total[i])), w = weight[i] * job.factor;
        const double z_2 = second[i], log_rest = (z_2 - static_cast<double>(first[i])) + log_total;
        for (int j = 0; j < k; ++j) log_share[j] = static_cast<double>(z[i * at_row + j * at_class]) - z_2 - log_total;
        expected_row(job, k, log_share, top[i], log_rest, bent, work + 2 * k);
        for (int j = 0; j < k; ++j) out_h[i * to_row + j * to_class] = static_cast<Out>(larger(bent[j], job.floor) * w);
      }
    }
  }
  std::free(x);
  std::free(work);
  return complaint;
}

template <class T, class Out, int halves, int policy>
int32_t shape_of(const Job& job) {
  return job.classes == 1 ? binary_rows<T, Out, halves, policy>(job) : softmax_rows<T, Out, halves, policy>(job);
}

template <class T, class Out, int policy>
int32_t rows_of(const Job& job) {
  if constexpr (policy == Expected) return shape_of<T, Out, General, policy>(job);
  switch (job.halves) {
    case 0: return shape_of<T, Out, 0, policy>(job);
    case 1: return shape_of<T, Out, 1, policy>(job);
    case 2: return shape_of<T, Out, 2, policy>(job);
    case 4: return shape_of<T, Out, 4, policy>(job);
    default: return shape_of<T, Out, General, policy>(job);
  }
}

template <class T, class Out>
int32_t policy_of(const Job& job) {
  switch (job.policy) {
    case Exact: return rows_of<T, Out, Exact>(job);
    case Guarded: return rows_of<T, Out, Guarded>(job);
    default: return rows_of<T, Out, Expected>(job);
  }
}

}  // namespace

int32_t run(const Job& job) {
  if (job.margin_type == Float32) return policy_of<float, float>(job);
  return job.output_type == Float32 ? policy_of<double, float>(job) : policy_of<double, double>(job);
}

}  // namespace FOCAL_ISA
