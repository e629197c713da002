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

template <class From, class To>
FOCAL_INLINE void copy(const From* from, To* to, int n) {
  for (int i = 0; i < n; ++i) to[i] = static_cast<To>(from[i]);
}

// to[c, r] = from[r, c], for rows whose columns are contiguous; the strides are those of r in from, of c in to.
template <class From, class To>
FOCAL_INLINE void turn(const From* from, int64_t from_stride, To* to, int64_t to_stride, int rows, int columns) {
  for (int r = 0; r < rows; ++r) {
    for (int c = 0; c < columns; ++c) to[c * to_stride + r] = static_cast<To>(from[r * from_stride + c]);
  }
}

#if defined(__GNUC__)
// Four by four in registers: a scalar copy takes a cycle an entry, which is a third of what softmax takes.
FOCAL_INLINE void turn(const float* from, int64_t from_stride, float* to, int64_t to_stride, int rows, int columns) {
  typedef float Four __attribute__((vector_size(16)));
  const int whole_rows = rows & ~3, whole_columns = columns & ~3;
  for (int r = 0; r < whole_rows; r += 4) {
    for (int c = 0; c < whole_columns; c += 4) {
      Four in[4];
      for (int i = 0; i < 4; ++i) memcpy(&in[i], from + (r + i) * from_stride + c, sizeof(Four));
      const Four low = __builtin_shufflevector(in[0], in[1], 0, 4, 1, 5), low2 = __builtin_shufflevector(in[2], in[3], 0, 4, 1, 5);
      const Four high = __builtin_shufflevector(in[0], in[1], 2, 6, 3, 7), high2 = __builtin_shufflevector(in[2], in[3], 2, 6, 3, 7);
      const Four out[4] = {__builtin_shufflevector(low, low2, 0, 1, 4, 5), __builtin_shufflevector(low, low2, 2, 3, 6, 7),
                           __builtin_shufflevector(high, high2, 0, 1, 4, 5), __builtin_shufflevector(high, high2, 2, 3, 6, 7)};
      for (int i = 0; i < 4; ++i) memcpy(to + (c + i) * to_stride + r, &out[i], sizeof(Four));
    }
    turn<float, float>(from + r * from_stride + whole_columns, from_stride, to + whole_columns * to_stride + r, to_stride, 4,
                       columns - whole_columns);
  }
  turn<float, float>(from + whole_rows * from_stride, from_stride, to + whole_rows, to_stride, rows - whole_rows, columns);
}
#endif

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

// The cubic of each row: one copy a row, because the processor's gather instructions are slower.
FOCAL_INLINE void look_up(const float* table, const int32_t* piece, int n, Cubic* c) {
  for (int i = 0; i < n; ++i) memcpy(c + i, table + 4 * piece[i], sizeof(Cubic));
}

template <class T, class Out, int policy>
int32_t canonical_rows(const Job& job) {
  const T* margin = static_cast<const T*>(job.margin);
  Out* gradient = static_cast<Out*>(job.gradient);
  Out* curvature = static_cast<Out*>(job.curvature);
  const Canonical<T> loss{T(job.middle), T(job.floor), T(job.factor)};
  int32_t label[kBlock], piece[kBlock];
  T weight[kBlock];
  float t[kBlock], per_width[kBlock];
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
      per_width[i] = at.per_width;
    }
    look_up(job.table, piece, n, cubic);
    for (int i = 0; i < n; ++i) {
      bad |= !is_finite(u[i]);
      const Pair<T> of = canonical_row<policy>(u[i], label[i] != 0, weight[i], loss, cubic[i], t[i], per_width[i]);
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
  // All that belongs to a block stays in the first cache. In F order each class is a stream of its own, and
  // streams are read ahead only if a block has enough of them.
  const int64_t fits = (job.margin_by_class ? 16384 / (static_cast<int64_t>(sizeof(T)) * k) : 32768 / (24 * k + 96)) / 16 * 16;
  const int block = static_cast<int>(fits < 32 ? 32 : fits > kBlock ? kBlock : fits);
  T* const x = static_cast<T*>(std::malloc((sizeof(T) + 2 * sizeof(Out)) * block * k));  // (k, block): class-major
  if (!x) return NoMemory;
  Out* const by_class_g = reinterpret_cast<Out*>(x + static_cast<int64_t>(block) * k);
  Out* const by_class_h = by_class_g + static_cast<int64_t>(block) * k;
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
    if (!job.margin_by_class) turn(z, k, x, block, n, k);
    for (int j = 0; j < k; ++j) {
      T* const to = x + static_cast<int64_t>(j) * block;
      const T* const from = job.margin_by_class ? z + j * at_class : to;
      for (int i = 0; i < n; ++i) {
        const T value = from[i];
        to[i] = value;
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
      Out* const g = job.output_by_class ? out_g + j * to_class : by_class_g + static_cast<int64_t>(j) * block;
      Out* const h = job.output_by_class ? out_h + j * to_class : by_class_h + static_cast<int64_t>(j) * block;
      for (int i = 0; i < n; ++i) {
        const bool is_top = top[i] == j, is_true = label[i] == j;
        const Row<T> of{A_g[i], A_h[i], B_h[i], A_c[i], r_per_x[i], p_per_x[i], least[i], g_top[i], h_top[i], h_true[i]};
        const Pair<T> pair = of.of_class(from[i], is_top, is_true);
        g[i] = static_cast<Out>(pair.gradient);
        h[i] = static_cast<Out>(pair.curvature);
      }
    }
    if (!job.output_by_class) {
      turn(by_class_g, block, out_g, k, k, n);
      turn(by_class_h, block, out_h, k, k, n);
    }
  }
  std::free(x);
  return complaint;
}

// ---- softmax, canonical link -----------------------------------------------------------------------

// A compiler without masked stores makes a branch of ?: here, which it cannot vectorise.
FOCAL_INLINE int32_t choose(bool first, int32_t a, int32_t b) {
  const int32_t mask = -static_cast<int32_t>(first);
  return (a & mask) | (b & ~mask);
}

// Where in the tables classes other than J are, and their cubics; first: where the table of the class begins.
struct Reading {
  int32_t piece[kBlock];
  float t[kBlock], per_width[kBlock];
  alignas(64) Cubic cubic[kBlock];

  FOCAL_INLINE void at(const float* d, const float* rho, int n, const float* table, const int32_t* first) {
    for (int i = 0; i < n; ++i) {
      const Place at = place_below(d[i] - rho[i]);
      piece[i] = at.piece + (first ? first[i] : 0);
      t[i] = at.t;
      per_width[i] = at.per_width;
    }
    look_up(table, piece, n, cubic);
  }

  FOCAL_INLINE Taylor of(int i) const { return taylor(cubic[i], t[i], per_width[i]); }
};

template <class T, class Out, int policy>
int32_t canonical_softmax_rows(const Job& job) {
  const int k = job.classes;
  const int64_t at_row = job.margin_by_class ? 1 : k, at_class = job.margin_by_class ? job.rows : 1;
  const int64_t to_row = job.output_by_class ? 1 : k, to_class = job.output_by_class ? job.rows : 1;
  const int64_t fits = 2048 / k / 16 * 16;
  const int block = static_cast<int>(fits < 16 ? 16 : fits > kBlock ? kBlock : fits);
  const int64_t size = static_cast<int64_t>(block) * k;
  // Per row and class, class-major; then per class.
  void* const memory = std::malloc(size * (sizeof(T) + 5 * sizeof(float)) + 6 * k * sizeof(float));
  if (!memory) return NoMemory;
  T* const u = static_cast<T*>(memory);
  float* const x = reinterpret_cast<float*>(u + size);  // a_k exp(u_k - ref), 0 at J
  float* const d = x + size;                            // distance in the table, up to rho
  float* const B0 = d + size;                           // x B, by its derivatives in rho where the table was read
  float* const B1 = B0 + size;
  float* const B2 = B1 + size;
  float* const alpha = B2 + size;
  float* const log_alpha = alpha + k;
  float* const half = log_alpha + k;  // m at p = 1/2
  float* const gamma = half + k;
  float* const log1p_gamma = gamma + k;
  float* const at_equal = log1p_gamma + k;  // start_of's tangent
  for (int j = 0; j < k; ++j) {
    const double g = job.gamma[j], at_half = m_at_half(g);
    alpha[j] = static_cast<float>(job.alpha[j]);
    log_alpha[j] = static_cast<float>(log_of(job.alpha[j]));
    half[j] = static_cast<float>(at_half);
    gamma[j] = static_cast<float>(g);
    log1p_gamma[j] = static_cast<float>(log_of(1.0 + g));
    at_equal[j] = tangent_of(gamma[j]);
  }

  const float floor = larger(static_cast<float>(job.floor), -3e38f);  // finite: weights may be 0
  int32_t complaint = Fine;
  int32_t label[kBlock], top[kBlock], true_top[kBlock], nearest[kBlock], first_nearest[kBlock], first[kBlock], done[kBlock];
  T key[kBlock], ref[kBlock], u_top[kBlock];
  float weight[kBlock], wa[kBlock], least[kBlock];
  float total[kBlock], sum[kBlock], squares[kBlock], a_nearest[kBlock], d_nearest[kBlock], d_rest[kBlock];
  float closest[kBlock];  // the smallest d
  float g[kBlock], log1p_g[kBlock], tangent[kBlock], lead[kBlock], gap[kBlock];  // of J
  float s[kBlock], p[kBlock], M[kBlock], N[kBlock];
  float rho[kBlock], shift[kBlock];  // where the table was read, and how far from that the answer is
  float S0[kBlock], S1[kBlock], S2[kBlock], S3[kBlock];  // sum of the other p by exp(rho)
  float pi_top[kBlock], d_top[kBlock], eta_top[kBlock], per_eta[kBlock], B[kBlock], dB[kBlock];
  float x_true[kBlock], B0_true[kBlock], B1_true[kBlock], B2_true[kBlock];
  float per_total[kBlock], sum_B[kBlock], sum_d[kBlock], others[kBlock];
  Reading reading;
  for (int i = 0; i < kBlock; ++i) weight[i] = 1.0f;

  for (int64_t row = job.start; row < job.stop; row += block) {
    const int n = static_cast<int>(job.stop - row < block ? job.stop - row : block);
    complaint |= read(job, row, n, label, weight);

    // J; then the nearest of the others, and ref, its margin.
    int32_t bad = 0;
    for (int i = 0; i < n; ++i) {
      key[i] = ref[i] = -std::numeric_limits<T>::infinity();
      top[i] = nearest[i] = 0;
    }
    const T* const z = static_cast<const T*>(job.margin) + row * at_row;
    if (!job.margin_by_class) turn(z, k, u, block, n, k);
    for (int j = 0; j < k; ++j) {
      T* const to = u + static_cast<int64_t>(j) * block;
      if (job.margin_by_class) copy(z + j * at_class, to, n);
      const T shift_j = T(log_alpha[j]) - T(half[j]);
      for (int i = 0; i < n; ++i) {
        bad |= !is_finite(to[i]);
        const T value = to[i] + shift_j, before = key[i];
        top[i] = choose(value > before, j, top[i]);
        key[i] = larger(value, before);
      }
    }
    if (bad) {  // the loops below would be safe, but their results meaningless
      complaint |= BadMargin;
      continue;
    }
    for (int i = 0; i < n; ++i) {
      T& of_top = u[static_cast<int64_t>(top[i]) * block + i];
      u_top[i] = of_top;
      of_top = -std::numeric_limits<T>::infinity();
    }
    for (int j = 0; j < k; ++j) {
      const T* const from = u + static_cast<int64_t>(j) * block;
      for (int i = 0; i < n; ++i) {
        const T value = from[i], before = ref[i];
        nearest[i] = choose(value > before, j, nearest[i]);
        ref[i] = larger(value, before);
      }
    }
    for (int i = 0; i < n; ++i) {
      const int32_t J = top[i], other = nearest[i];
      g[i] = gamma[J];
      log1p_g[i] = log1p_gamma[J];
      tangent[i] = at_equal[J];
      gap[i] = log_alpha[J];
      d_rest[i] = half[J];
      first[i] = job.table_of[J] * kPiecesSoftmax;
      a_nearest[i] = alpha[other];
      d_nearest[i] = half[other] - log_alpha[other];
      first_nearest[i] = job.table_of[other] * kPiecesSoftmax;
    }
    for (int i = 0; i < n; ++i) {
      total[i] = sum[i] = squares[i] = 0.0f;
      closest[i] = std::numeric_limits<float>::max();
    }
    for (int j = 0; j < k; ++j) {
      const T* const from = u + static_cast<int64_t>(j) * block;
      float* const to_x = x + static_cast<int64_t>(j) * block;
      float* const to_d = d + static_cast<int64_t>(j) * block;
      const float shift_j = half[j] - log_alpha[j], a = alpha[j];
      for (int i = 0; i < n; ++i) {
        const float value = static_cast<float>(behind_second(from[i], ref[i])), share = a * value;
        total[i] += value;
        sum[i] += share;
        squares[i] = fma_(share, share, squares[i]);
        to_x[i] = share;
        const float distance = shift_j - static_cast<float>(from[i] - ref[i]);
        closest[i] = distance < closest[i] ? distance : closest[i];
        to_d[i] = distance;
      }
    }
    // One Newton step with the nearest class as it is and equal ones for the rest: no loop over the classes.
    for (int i = 0; i < n; ++i) {
      const float ahead = static_cast<float>(u_top[i] - ref[i]);
      lead[i] = ahead < kLargestLead ? ahead : kLargestLead;
      gap[i] += lead[i];
      s[i] = start_of(gap[i] - log_of(sum[i]), tangent[i], g[i], log1p_g[i]);
      d_rest[i] += behind_half(sum[i], squares[i], a_nearest[i]);
      const Top at = top_at(s[i], g[i]);
      p[i] = at.p;
      M[i] = at.M;
      N[i] = at.N;
      rho[i] = at.m - gap[i];
      done[i] = 0;
    }
    reading.at(d_nearest, rho, n, job.table, first_nearest);
    for (int i = 0; i < n; ++i) {
      const Taylor of = reading.of(i);
      S0[i] = a_nearest[i] * of.f0;
      S1[i] = a_nearest[i] * of.f1;
    }
    reading.at(d_rest, rho, n, job.table, first);
    for (int i = 0; i < n; ++i) {
      const Taylor of = reading.of(i);
      const float x_rest = sum[i] - a_nearest[i];
      s[i] -= newton(p[i], M[i], N[i], rho[i], fma_(x_rest, of.f0, S0[i]), fma_(x_rest, of.f1, S1[i]));
    }
    for (int readings = 0; readings < kMostReadings; ++readings) {
      for (int i = 0; i < n; ++i) {
        const Top at = top_at(s[i], g[i]);
        p[i] = at.p;
        M[i] = at.M;
        N[i] = at.N;
        rho[i] = done[i] ? rho[i] : at.m - gap[i];
        S0[i] = S1[i] = S2[i] = S3[i] = 0.0f;
      }
      for (int j = 0; j < k; ++j) {
        const float* const from_x = x + static_cast<int64_t>(j) * block;
        float* const to_0 = B0 + static_cast<int64_t>(j) * block;
        float* const to_1 = B1 + static_cast<int64_t>(j) * block;
        float* const to_2 = B2 + static_cast<int64_t>(j) * block;
        const float* const table = job.table + job.table_of[j] * kPiecesSoftmax * 4;
        reading.at(d + static_cast<int64_t>(j) * block, rho, n, table, nullptr);
        for (int i = 0; i < n; ++i) {
          const Taylor a = reading.of(i);
          const Slope of = slope_of(a, from_x[i]);
          S0[i] = fma_(from_x[i], a.f0, S0[i]);
          S1[i] = fma_(from_x[i], a.f1, S1[i]);
          S2[i] = fma_(from_x[i], a.f2, S2[i]);
          S3[i] = fma_(from_x[i], a.f3, S3[i]);
          to_0[i] = of.f0;
          to_1[i] = of.f1;
          to_2[i] = of.f2;
        }
      }
      int32_t any_left = 0;
      for (int i = 0; i < n; ++i) {
        const float step = newton(p[i], M[i], N[i], rho[i], S0[i], S1[i]);
        const Solved of = solve(s[i], step, g[i], gap[i], rho[i], {S0[i], S1[i], S2[i], S3[i]});
        s[i] = done[i] ? s[i] : of.s;
        done[i] |= !(of.shift > kLongestShift<policy>) & !is_off(closest[i] - rho[i]);
        any_left |= !done[i];
      }
      if (!any_left) break;
    }

    for (int i = 0; i < n; ++i) {
      const int64_t at = static_cast<int64_t>(label[i]) * block + i;
      x_true[i] = x[at];
      B0_true[i] = B0[at];
      B1_true[i] = B1[at];
      B2_true[i] = B2[at];
      true_top[i] = label[i] == top[i];
      wa[i] = static_cast<float>(job.alpha[label[i]]) * weight[i];
    }
    const float factor = static_cast<float>(job.factor);
    for (int i = 0; i < n; ++i) {
      const Leader J = leader_at<policy>(s[i], g[i], gap[i], lead[i], total[i]);
      const CanonicalRow of = canonical_softmax_row(J, rho[i], {S0[i], S1[i], S2[i], S3[i]}, x_true[i],
                                                    {B0_true[i], B1_true[i], B2_true[i]}, true_top[i] != 0, wa[i],
                                                    floor * weight[i], factor);
      shift[i] = of.shift;
      pi_top[i] = of.pi_top;
      d_top[i] = of.d_top;
      eta_top[i] = of.eta_top;
      per_eta[i] = of.per_eta;
      per_total[i] = of.per_total;
      sum_B[i] = of.sum_B;
      sum_d[i] = of.sum_d;
      others[i] = of.others;
      B[i] = of.B;
      dB[i] = of.dB;
      least[i] = of.least;
    }
    Out* const out_g = static_cast<Out*>(job.gradient) + row * to_row;
    Out* const out_h = static_cast<Out*>(job.curvature) + row * to_row;
    for (int j = 0; j < k; ++j) {
      const int64_t at = static_cast<int64_t>(j) * block;
      float *const of_x = x + at, *const b0 = B0 + at;
      const float *const b1 = B1 + at, *const b2 = B2 + at;
      const float per_alpha = 1.0f / alpha[j];
      float gradient[kBlock], curvature[kBlock];
      for (int i = 0; i < n; ++i) {
        const CanonicalRow of{shift[i], pi_top[i], d_top[i],  eta_top[i], per_eta[i], per_total[i], sum_B[i],
                              sum_d[i], others[i], B[i],      dB[i],      least[i],   factor};
        const Pair<float> pair =
            of.of_class<policy>(of_x[i] * per_alpha, {b0[i], b1[i], b2[i]}, top[i] == j, label[i] == j);
        gradient[i] = pair.gradient;
        curvature[i] = pair.curvature;
      }
      if (job.output_by_class) {
        copy(gradient, out_g + j * to_class, n);
        copy(curvature, out_h + j * to_class, n);
      } else {  // in place of what nobody reads any more
        copy(gradient, of_x, n);
        copy(curvature, b0, n);
      }
    }
    if (!job.output_by_class) {
      turn(x, block, out_g, k, k, n);
      turn(B0, block, out_h, k, k, n);
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
