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
    if (!read_labels(job, row, n, label)) complaint |= BadLabel;
    if (job.weight_type != Absent && !read_weights(job, row, n, weight)) complaint |= BadWeight;
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
        const Row<T> of{A_g[i], A_h[i], B_h[i], r_per_x[i], p_per_x[i], least[i], g_top[i], h_top[i], h_true[i]};
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

template <class T, class Out, int halves, int policy>
int32_t shape_of(const Job& job) {
  return job.classes == 1 ? binary_rows<T, Out, halves, policy>(job) : softmax_rows<T, Out, halves, policy>(job);
}

template <class T, class Out, int policy>
int32_t rows_of(const Job& job) {
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
