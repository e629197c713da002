// Gradient and curvature of all rows in one pass. Compiled once for each instruction set, into a namespace of its
// name (FOCAL_ISA): the compiler vectorises the loops over a block of rows. Each row is computed by itself, so that
// a result depends neither on blocks nor on threads.

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

// Labels become int32. A value that is no whole number in [0, classes) makes it return false, and counts as 0.
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

// Labels and weights of n rows; what is wrong with them. Without weights the array stays as it is.
template <class T>
FOCAL_INLINE int32_t read(const Job& job, int64_t row, int n, int32_t* label, T* weight) {
  int32_t complaint = read_labels(job, row, n, label) ? Fine : BadLabel;
  if (job.weight_type != Absent && !read_weights(job, row, n, weight)) complaint |= BadWeight;
  return complaint;
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
  const Binary<T> loss(job.gamma, job.alpha, job.floor, job.factor);
  int32_t label[kBlock];
  T weight[kBlock];
  int32_t complaint = Fine;
  for (int i = 0; i < kBlock; ++i) weight[i] = T(1);

  for (int64_t row = job.start; row < job.stop; row += kBlock) {
    const int n = static_cast<int>(job.stop - row < kBlock ? job.stop - row : kBlock);
    complaint |= read(job, row, n, label, weight);
    const T* z = margin + row;
    Out* const out_g = gradient + row;
    Out* const out_h = curvature + row;
    int32_t bad = 0;
    for (int i = 0; i < n; ++i) {
      bad |= !is_finite(z[i]);
      const Pair<T> of = binary_row<halves, policy>(z[i], label[i] != 0, weight[i], loss);
      out_g[i] = static_cast<Out>(of.gradient);
      out_h[i] = static_cast<Out>(of.curvature);
    }
    if (bad) complaint |= BadMargin;
  }
  return complaint;
}

// The cubic of each row, from a table with that many numbers per piece: one copy a row, because the processor's
// gather instructions are slower.
template <int numbers>
FOCAL_INLINE void look_up(const float* table, const int32_t* piece, int n, Cubic* c) {
  for (int i = 0; i < n; ++i) memcpy(c + i, table + numbers * piece[i], sizeof(Cubic));
}

template <class T, class Out, int policy>
int32_t canonical_rows(const Job& job) {
  const T* margin = static_cast<const T*>(job.margin);
  Out* gradient = static_cast<Out*>(job.gradient);
  Out* curvature = static_cast<Out*>(job.curvature);
  const Canonical<T> loss{T(job.middle), T(job.floor), T(job.factor)};
  int32_t label[kBlock], piece[kBlock];
  T weight[kBlock];
  float t[kBlock], width[kBlock];
  alignas(64) Cubic cubic[kBlock];
  int32_t complaint = Fine;
  for (int i = 0; i < kBlock; ++i) weight[i] = T(1);

  for (int64_t row = job.start; row < job.stop; row += kBlock) {
    const int n = static_cast<int>(job.stop - row < kBlock ? job.stop - row : kBlock);
    complaint |= read(job, row, n, label, weight);
    const T* u = margin + row;
    Out* const out_g = gradient + row;
    Out* const out_h = curvature + row;
    int32_t bad = 0;
    for (int i = 0; i < n; ++i) {
      const Place at = canonical_place(u[i], loss.middle);
      piece[i] = at.piece;
      t[i] = at.t;
      width[i] = at.width;
    }
    look_up<4>(job.table, piece, n, cubic);
    for (int i = 0; i < n; ++i) {
      bad |= !is_finite(u[i]);
      const Pair<T> of = canonical_row<policy>(u[i], label[i] != 0, weight[i], loss, cubic[i], t[i], width[i]);
      out_g[i] = static_cast<Out>(of.gradient);
      out_h[i] = static_cast<Out>(of.curvature);
    }
    if (bad) complaint |= BadMargin;
  }
  return complaint;
}

// ---- softmax ---------------------------------------------------------------------------------------

template <class T, class Out, int halves, int policy>
int32_t softmax_rows(const Job& job) {
  const int k = job.classes;
  const int64_t at_row = job.margin_by_class ? 1 : k, at_class = job.margin_by_class ? job.rows : 1;
  const int64_t to_row = job.output_by_class ? 1 : k, to_class = job.output_by_class ? job.rows : 1;
  // Margins, scratch and both outputs of a block stay in the first cache: C order passes over them once a class.
  const int64_t fits = 16384 / (static_cast<int64_t>(sizeof(T)) * k) / 16 * 16;
  const int block = static_cast<int>(fits < 16 ? 16 : fits > kBlock ? kBlock : fits);
  T* const x = static_cast<T*>(std::malloc(sizeof(T) * block * k));  // (k, block): class-major
  if (!x) return NoMemory;
  int32_t complaint = Fine;
  int32_t label[kBlock], top[kBlock];
  T weight[kBlock], first[kBlock], second[kBlock], z_true[kBlock], total[kBlock], other[kBlock], x_true[kBlock];
  T A_g[kBlock], A_h[kBlock], B_h[kBlock], A_c[kBlock], r_per_x[kBlock], p_per_x[kBlock], least[kBlock];
  T g_top[kBlock], h_top[kBlock], h_true[kBlock];
  for (int i = 0; i < kBlock; ++i) weight[i] = T(1);

  for (int64_t row = job.start; row < job.stop; row += block) {
    const int n = static_cast<int>(job.stop - row < block ? job.stop - row : block);
    complaint |= read(job, row, n, label, weight);
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
        bad |= !is_finite(value);
        const bool above = value > first[i];
        second[i] = above ? first[i] : larger(second[i], value);
        top[i] = above ? j : top[i];
        first[i] = above ? value : first[i];
      }
    }
    if (bad) complaint |= BadMargin;
    for (int i = 0; i < n; ++i) z_true[i] = x[static_cast<int64_t>(label[i]) * block + i];

    // x = exp(z_j - second largest), 0 at J.
    for (int i = 0; i < n; ++i) total[i] = other[i] = T(0);
    for (int j = 0; j < k; ++j) {
      T* const to = x + static_cast<int64_t>(j) * block;
      for (int i = 0; i < n; ++i) {
        const bool is_top = top[i] == j, is_true = label[i] == j;
        const T value = is_top ? T(0) : behind_second(is_top ? second[i] : to[i], second[i]);
        total[i] += value;
        other[i] += is_true ? T(0) : value;
        to[i] = value;
      }
    }
    for (int i = 0; i < n; ++i) x_true[i] = x[static_cast<int64_t>(label[i]) * block + i];

    for (int i = 0; i < n; ++i) {
      const int t = label[i];
      const Row<T> of = softmax_row<halves, policy>(first[i], second[i], z_true[i], total[i], other[i], x_true[i],
                                                    t == top[i], job.gamma[t],
                                                    job.alpha[t] * static_cast<double>(weight[i]), job.floor, job.factor);
      A_g[i] = of.A_g;
      A_h[i] = of.A_h;
      B_h[i] = of.B_h;
      A_c[i] = of.A_c;
      r_per_x[i] = of.r_per_x;
      p_per_x[i] = of.p_per_x;
      least[i] = of.least;
      g_top[i] = of.g_top;
      h_top[i] = of.h_top;
      h_true[i] = of.h_true;
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
        const Row<T> of{A_g[i], A_h[i], B_h[i], A_c[i], r_per_x[i], p_per_x[i], least[i], g_top[i], h_top[i], h_true[i]};
        const Pair<T> pair = of.of_class(from[i], is_top, is_true);
        g[i] = static_cast<Out>(pair.gradient);
        h[i] = static_cast<Out>(pair.curvature);
      }
      copy(g, 1, gradient, to_row, n);
      copy(h, 1, curvature, to_row, n);
    }
  }
  std::free(x);
  return complaint;
}

// ---- softmax, canonical link -----------------------------------------------------------------------

// Where in the tables the classes other than J are.
FOCAL_INLINE void places(const float* d, const float* rho, int n, int32_t* piece, float* t, float* per_width) {
  for (int i = 0; i < n; ++i) {
    const float distance = d[i] - rho[i];
    const Place at = place<kOctavesSoftmax, kLogPiecesSoftmax>(distance > 0.0f ? distance : 0.0f);
    piece[i] = at.piece;
    t[i] = at.t;
    per_width[i] = 1.0f / at.width;
  }
}

template <class T, class Out, int policy>
int32_t canonical_softmax_rows(const Job& job) {
  const int k = job.classes;
  const int64_t at_row = job.margin_by_class ? 1 : k, at_class = job.margin_by_class ? job.rows : 1;
  const int64_t to_row = job.output_by_class ? 1 : k, to_class = job.output_by_class ? job.rows : 1;
  const int64_t fits = 2048 / k / 16 * 16;
  const int block = static_cast<int>(fits < 16 ? 16 : fits > kBlock ? kBlock : fits);
  const int64_t size = static_cast<int64_t>(block) * k, pieces = static_cast<int64_t>(kPiecesSoftmax) * 8;
  // Per row and class, class-major; then per class.
  void* const memory = std::malloc(size * (sizeof(T) + 3 * sizeof(float)) + 5 * k * sizeof(float));
  if (!memory) return NoMemory;
  T* const u = static_cast<T*>(memory);
  float* const x = reinterpret_cast<float*>(u + size);  // a_k exp(u_k - ref), 0 at J; later dp/dm by exp(rho)
  float* const d = x + size;                            // distance in the table, up to rho; later the posterior
  float* const d_pi = d + size;                         // second derivative of p, for the exact policy
  float* const alpha = d_pi + size;
  float* const log_alpha = alpha + k;
  float* const half = log_alpha + k;  // m at p = 1/2
  float* const gamma = half + k;
  float* const log1p_gamma = gamma + k;
  for (int j = 0; j < k; ++j) {
    const double g = job.gamma[j], at_half = m_at_half(g);
    alpha[j] = static_cast<float>(job.alpha[j]);
    log_alpha[j] = static_cast<float>(log_of(job.alpha[j]));
    half[j] = static_cast<float>(at_half);
    gamma[j] = static_cast<float>(g);
    log1p_gamma[j] = static_cast<float>(log_of(1.0 + g));
  }

  const float floor = larger(static_cast<float>(job.floor), -3e38f);  // finite: weights may be 0
  int32_t complaint = Fine;
  int32_t label[kBlock], top[kBlock], piece[kBlock];
  float t[kBlock], per_width[kBlock];
  alignas(64) Cubic cubic[kBlock];
  T u_top[kBlock], ref[kBlock], key[kBlock];
  float weight[kBlock], g[kBlock], log1p_g[kBlock], lead[kBlock], gap[kBlock], s[kBlock], rho[kBlock];
  float total[kBlock], sum[kBlock], squares[kBlock], sum_a[kBlock], sum_B[kBlock], sum_d[kBlock];
  float pi_top[kBlock], d_top[kBlock], eta_top[kBlock], per_eta[kBlock], per_total[kBlock], B[kBlock], dB[kBlock], others[kBlock];
  float p[kBlock], M[kBlock], N[kBlock], half_top[kBlock], from_half[kBlock], log_sum[kBlock];
  float last[kBlock], least[kBlock];
  int32_t first[kBlock];
  for (int i = 0; i < kBlock; ++i) weight[i] = 1.0f;

  for (int64_t row = job.start; row < job.stop; row += block) {
    const int n = static_cast<int>(job.stop - row < block ? job.stop - row : block);
    complaint |= read(job, row, n, label, weight);

    // J, and ref, the largest margin of the others.
    int32_t bad = 0;
    for (int i = 0; i < n; ++i) {
      key[i] = ref[i] = -std::numeric_limits<T>::infinity();
      top[i] = 0;
    }
    for (int j = 0; j < k; ++j) {
      T* const to = u + static_cast<int64_t>(j) * block;
      copy(static_cast<const T*>(job.margin) + row * at_row + j * at_class, at_row, to, 1, n);
      const T shift = T(log_alpha[j]) - T(half[j]);
      for (int i = 0; i < n; ++i) {
        bad |= !is_finite(to[i]);
        const bool above = to[i] + shift > key[i];
        top[i] = above ? j : top[i];
        key[i] = above ? to[i] + shift : key[i];
      }
    }
    if (bad) {  // the loops below would be safe, but their results meaningless
      complaint |= BadMargin;
      continue;
    }
    for (int j = 0; j < k; ++j) {
      const T* const from = u + static_cast<int64_t>(j) * block;
      const float g_j = gamma[j], log1p_g_j = log1p_gamma[j], log_a_j = log_alpha[j], half_j = half[j];
      const int32_t first_piece = job.table_of[j] * kPiecesSoftmax;
      for (int i = 0; i < n; ++i) {
        const bool is_top = top[i] == j;
        u_top[i] = is_top ? from[i] : u_top[i];
        g[i] = is_top ? g_j : g[i];
        log1p_g[i] = is_top ? log1p_g_j : log1p_g[i];
        gap[i] = is_top ? log_a_j : gap[i];
        half_top[i] = is_top ? half_j : half_top[i];
        first[i] = is_top ? first_piece : first[i];
        ref[i] = !is_top && from[i] > ref[i] ? from[i] : ref[i];
      }
    }
    for (int i = 0; i < n; ++i) total[i] = sum[i] = squares[i] = 0.0f;
    for (int j = 0; j < k; ++j) {
      const T* const from = u + static_cast<int64_t>(j) * block;
      float* const to_x = x + static_cast<int64_t>(j) * block;
      float* const to_d = d + static_cast<int64_t>(j) * block;
      const float shift = half[j] - log_alpha[j], a = alpha[j];
      for (int i = 0; i < n; ++i) {
        const bool is_top = top[i] == j;
        const T behind = is_top ? T(0) : from[i] - ref[i];
        const float value = is_top ? 0.0f : static_cast<float>(behind_second(is_top ? ref[i] : from[i], ref[i]));
        const float rival = a * value;
        total[i] += value;
        sum[i] += rival;
        squares[i] = fma_(rival, rival, squares[i]);
        to_x[i] = rival;
        to_d[i] = shift - static_cast<float>(behind);
      }
    }
    for (int i = 0; i < n; ++i) {
      const float ahead = static_cast<float>(u_top[i] - ref[i]);
      lead[i] = ahead < kLargestLead ? ahead : kLargestLead;
      gap[i] += lead[i];
      const float rivals = sum[i] * sum[i] / squares[i];
      log_sum[i] = log_of(sum[i]);
      from_half[i] = half_top[i] - log_sum[i] + log_of(rivals);
      s[i] = start_of(gap[i] - log_sum[i], rivals, g[i], log1p_g[i]);
    }
    // One Newton step with the rivals replaced by equal ones, which needs no loop over the classes; then all of them.
    const auto start_step = [&] {
      for (int i = 0; i < n; ++i) {
        const Top at = top_at(s[i], g[i]);
        p[i] = at.p;
        M[i] = at.M;
        N[i] = at.N;
        rho[i] = at.m - gap[i];
      }
    };
    start_step();
    places(from_half, rho, n, piece, t, per_width);
    for (int i = 0; i < n; ++i) piece[i] += first[i];
    look_up<8>(job.table, piece, n, cubic);
    for (int i = 0; i < n; ++i) {
      const float a = cubic[i].value(t[i]), ratio = 1.0f - cubic[i].slope(t[i]) * per_width[i] / a;
      s[i] -= newton(p[i], M[i], N[i], rho[i], log_sum[i] + log_of(a), ratio);
    }
    for (int step = 0; step < kMostSteps; ++step) {
      start_step();
      for (int i = 0; i < n; ++i) sum_a[i] = sum_B[i] = 0.0f;
      for (int j = 0; j < k; ++j) {
        const float* const from_x = x + static_cast<int64_t>(j) * block;
        places(d + static_cast<int64_t>(j) * block, rho, n, piece, t, per_width);
        look_up<8>(job.table + job.table_of[j] * pieces, piece, n, cubic);
        for (int i = 0; i < n; ++i) {
          const float a = cubic[i].value(t[i]);
          sum_a[i] = fma_(from_x[i], a, sum_a[i]);
          sum_B[i] = fma_(from_x[i], a - cubic[i].slope(t[i]) * per_width[i], sum_B[i]);
        }
      }
      int32_t any_long = 0;
      for (int i = 0; i < n; ++i) {
        const float change = newton(p[i], M[i], N[i], rho[i], log_of(sum_a[i]), sum_B[i] / sum_a[i]);
        const bool moves = step == 0 || last[i] > kShortStep;
        s[i] -= moves ? change : 0.0f;
        last[i] = moves ? magnitude(change) : 0.0f;
        any_long |= last[i] > kShortStep;
      }
      if (!any_long) break;
    }

    for (int i = 0; i < n; ++i) {
      const Leader at = leader_at<policy>(s[i], g[i], gap[i], lead[i], total[i]);
      rho[i] = at.rho;
      pi_top[i] = at.pi;
      d_top[i] = at.d_pi;
      eta_top[i] = at.eta;
      per_eta[i] = at.per_eta;
      B[i] = at.B;
      dB[i] = at.dB;
      sum_B[i] = sum_d[i] = others[i] = 0.0f;
    }
    for (int j = 0; j < k; ++j) {
      float* const pi = x + static_cast<int64_t>(j) * block;
      float* const eta = d + static_cast<int64_t>(j) * block;
      float* const second = d_pi + static_cast<int64_t>(j) * block;
      const float per_alpha = 1.0f / alpha[j];
      places(eta, rho, n, piece, t, per_width);
      look_up<8>(job.table + job.table_of[j] * pieces + 4, piece, n, cubic);
      for (int i = 0; i < n; ++i) {
        const bool is_top = top[i] == j, is_true = label[i] == j;
        const float value = cubic[i].value(t[i]), own = pi[i];
        if constexpr (policy == Exact) {
          const float slope = -cubic[i].slope(t[i]) * per_width[i];
          second[i] = is_top ? d_top[i] : own * (value + slope);
          sum_d[i] += is_top ? 0.0f : second[i];
          dB[i] = is_true && !is_top ? slope : dB[i];
        }
        eta[i] = is_top ? eta_top[i] : own * per_alpha * per_eta[i];
        pi[i] = is_top ? pi_top[i] : own * value;
        sum_B[i] += is_top ? 0.0f : pi[i];
        others[i] += is_true ? 0.0f : pi[i];
        B[i] = is_true && !is_top ? value : B[i];
      }
    }
    const float factor = static_cast<float>(job.factor);
    for (int i = 0; i < n; ++i) {
      per_total[i] = 1.0f / (sum_B[i] + pi_top[i]);
      const float wa = static_cast<float>(job.alpha[label[i]]) * weight[i];
      B[i] *= wa;
      dB[i] *= wa;
      least[i] = floor * weight[i];
    }
    Out* const out_g = static_cast<Out*>(job.gradient) + row * to_row;
    Out* const out_h = static_cast<Out*>(job.curvature) + row * to_row;
    for (int j = 0; j < k; ++j) {
      const float* const pi = x + static_cast<int64_t>(j) * block;
      const float* const eta = d + static_cast<int64_t>(j) * block;
      const float* const second = d_pi + static_cast<int64_t>(j) * block;
      Out gradient[kBlock], curvature[kBlock];
      for (int i = 0; i < n; ++i) {
        const CanonicalRow of{per_total[i], sum_B[i], sum_d[i], d_top[i], others[i], B[i], dB[i], least[i], factor};
        const float d2 = policy == Exact ? second[i] : 0.0f;
        const Pair<float> pair = of.of_class<policy>(pi[i], d2, eta[i], top[i] == j, label[i] == j);
        gradient[i] = static_cast<Out>(pair.gradient);
        curvature[i] = static_cast<Out>(pair.curvature);
      }
      copy(gradient, 1, out_g + j * to_class, to_row, n);
      copy(curvature, 1, out_h + j * to_class, to_row, n);
    }
  }
  std::free(memory);
  return complaint;
}

template <class T, class Out, int halves, int policy>
int32_t shape_of(const Job& job) {
  return job.classes == 1 ? binary_rows<T, Out, halves, policy>(job) : softmax_rows<T, Out, halves, policy>(job);
}

template <class T, class Out, int policy>
int32_t rows_of(const Job& job) {
  if (job.table) {
    return job.classes == 1 ? canonical_rows<T, Out, policy>(job) : canonical_softmax_rows<T, Out, policy>(job);
  }
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
  return job.policy == Exact ? rows_of<T, Out, Exact>(job) : rows_of<T, Out, Guarded>(job);
}

}  // namespace

int32_t run(const Job& job) {
  if (job.margin_type == Float32) return policy_of<float, float>(job);
  return job.output_type == Float32 ? policy_of<double, float>(job) : policy_of<double, double>(job);
}

}  // namespace FOCAL_ISA
