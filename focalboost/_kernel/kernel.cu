// Gradient and curvature of all rows in one pass on a CUDA device: the formulas of formulas.hpp, one thread a row.
// cuda.py compiles it when it is first used, and sets FOCAL_HALVES, FOCAL_POLICY and FOCAL_STAGED. Margins and
// results are float32, in C order. With -fmad=false it rounds as a CPU with fma does, except that CuPy's options
// make subnormal results 0. Labels and weights are checked before they are uploaded; margins are checked here.

#include "formulas.hpp"

using namespace FOCAL_ISA;

// weight: one per row, or null. per_row: margins of a row (several targets), each an observation.
extern "C" __global__ void binary_rows(const float* margin, const int* label, const float* weight, const double* gamma,
                                       const double* alpha, int64_t n, int32_t per_row, double floor, double factor,
                                       float* gradient, float* curvature, int* complaint) {
  const Binary<float> loss(gamma, alpha, floor, factor);
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  bool finite = true;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const float z = margin[i], w = weight ? weight[i / per_row] : 1.0f;
    const bool positive = label[i] != 0;
    finite = finite && is_finite(z);
    const Pair<float> of = binary_row<FOCAL_HALVES, FOCAL_POLICY>(z, positive, w, loss);
    gradient[i] = of.gradient;
    curvature[i] = of.curvature;
  }
  if (!finite) atomicOr(complaint, 1);  // here, because in the loop no load could pass it
}

// The same with the canonical link; table: pieces of cubics, see formulas.hpp.
extern "C" __global__ void canonical_rows(const float* margin, const int* label, const float* weight,
                                          const float* table, float middle, int64_t n, int32_t per_row, double floor,
                                          double factor, float* gradient, float* curvature, int* complaint) {
  const Canonical<float> loss{middle, static_cast<float>(floor), static_cast<float>(factor)};
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  bool finite = true;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const float given = margin[i], w = weight ? weight[i / per_row] : 1.0f;
    const bool positive = label[i] != 0;
    const float u = is_finite(given) ? given : 0.0f;  // the table has no piece for others
    finite = finite && is_finite(given);
    const Place at = canonical_place(u, middle);
    const Cubic c = *reinterpret_cast<const Cubic*>(table + 4 * at.piece);
    const Pair<float> of = canonical_row<FOCAL_POLICY>(u, positive, w, loss, c, at.t, at.per_width);
    gradient[i] = of.gradient;
    curvature[i] = of.curvature;
  }
  if (!finite) atomicOr(complaint, 1);
}

// ---- softmax: the k margins of a row belong to one thread --------------------------------------------
//
// Threads side by side would read and write values k apart, a whole sector of memory for each. With FOCAL_STAGED a block
// therefore copies its rows to shared memory and its results back, both in order.

#if FOCAL_STAGED
extern __shared__ float staged[];
#endif

// Calls row(t, w, z, g, h) for each of n rows: its class, weight and margins, and where its results go; g may be z.
template <class RowOf>
FOCAL_INLINE void each_row(const float* margin, const int* label, const float* weight, int64_t n, int32_t k,
                           float* gradient, float* curvature, RowOf row) {
  const int size = blockDim.x, own = threadIdx.x;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * size; first < n;
       first += static_cast<int64_t>(gridDim.x) * size) {
    const int rows = n - first < size ? static_cast<int>(n - first) : size;
    const int64_t start = first * k;
    const int t = own < rows ? label[first + own] : 0;
    const float w = weight && own < rows ? weight[first + own] : 1.0f;
#if FOCAL_STAGED
    // Rows an odd number of values apart: the threads of a warp then read from different banks.
    const int pad = 1 - k % 2, values = rows * k;
    float *g = staged, *h = staged + size * (k + pad);
    const auto copy = [&](auto value) {
      int of_row = own / k, column = own % k;
      for (int i = own; i < values; i += size) {
        value(start + i, i + pad * of_row);
        of_row += size / k;
        column += size % k;
        if (column >= k) {
          column -= k;
          ++of_row;
        }
      }
    };
    copy([&](int64_t there, int here) { g[here] = margin[there]; });
    __syncthreads();
    if (own < rows) row(t, w, g + own * (k + pad), g + own * (k + pad), h + own * (k + pad));
    __syncthreads();
    copy([&](int64_t there, int here) {
      gradient[there] = g[here];
      curvature[there] = h[here];
    });
    __syncthreads();
#else
    if (own < rows) {
      const int64_t at = start + static_cast<int64_t>(own) * k;
      row(t, w, margin + at, gradient + at, curvature + at);
    }
#endif
  }
}

// One row of k margins z: its scores pass through g, which may be z, to gradient g and curvature h.
FOCAL_INLINE void softmax_of_row(const float* z, float* g, float* h, int t, float w, const double* gamma,
                                 const double* alpha, int k, double floor, double factor, int* complaint) {
  const float z_true = z[t];
  float first = z[0], second = 0;
  int top = 0;
  bool finite = is_finite(first);
  for (int j = 1; j < k; ++j) {
    const float value = z[j];
    const bool above = value > first;
    finite = finite && is_finite(value);
    second = above ? first : j == 1 ? value : larger(second, value);
    top = above ? j : top;
    first = above ? value : first;
  }
  if (!finite) {  // the loops below would be safe, but their results meaningless
    atomicOr(complaint, 1);
    for (int j = 0; j < k; ++j) g[j] = h[j] = 0.0f;
    return;
  }

  float total = 0, others = 0, x_true = 0;
  for (int j = 0; j < k; ++j) {
    const float x = j == top ? 0.0f : behind_second(z[j], second);
    total += x;
    others += j == t ? 0.0f : x;
    x_true = j == t ? x : x_true;
    g[j] = x;
  }
  const Row<float> row = softmax_row<FOCAL_HALVES, FOCAL_POLICY>(first, second, z_true, total, others, x_true, t == top,
                                                                 gamma[t], alpha[t] * w, floor, factor);
  for (int j = 0; j < k; ++j) {
    const Pair<float> of = row.of_class(g[j], j == top, j == t);
    g[j] = of.gradient;
    h[j] = of.curvature;
  }
}

// n rows of k margins; gamma and alpha per class.
extern "C" __global__ void softmax_rows(const float* margin, const int* label, const float* weight, const double* gamma,
                                        const double* alpha, int64_t n, int32_t k, double floor, double factor,
                                        float* gradient, float* curvature, int* complaint) {
  each_row(margin, label, weight, n, k, gradient, curvature, [&](int t, float w, const float* z, float* g, float* h) {
    softmax_of_row(z, g, h, t, w, gamma, alpha, k, floor, factor, complaint);
  });
}

// One row of k margins u, as softmax_of_row; x may be u. classes: of each class alpha, log alpha, m at p = 1/2, gamma and
// log(1 + gamma), one after the other.
FOCAL_INLINE void canonical_softmax_of_row(const float* u, float* x, float* d, int t, float w, const float* table,
                                           const int* table_of, const float* classes, int k, double floor_,
                                           double factor, int* complaint) {
  const float *alpha = classes, *log_alpha = alpha + k, *half = log_alpha + k, *gamma = half + k, *log1p_gamma = gamma + k;
  const float floor = larger(static_cast<float>(floor_), -3e38f);
  bool finite = true;
  int top = 0;
  for (int j = 0; j < k; ++j) {
    finite = finite && is_finite(u[j]);
    top = u[j] + (log_alpha[j] - half[j]) > u[top] + (log_alpha[top] - half[top]) ? j : top;
  }
  if (!finite) {  // the loops below would be safe, but their results meaningless
    atomicOr(complaint, 1);
    for (int j = 0; j < k; ++j) x[j] = d[j] = 0.0f;
    return;
  }
  int nearest = top == 0 ? 1 : 0;
  for (int j = 0; j < k; ++j) nearest = j != top && u[j] > u[nearest] ? j : nearest;
  const float ref = u[nearest], u_top = u[top];
  float total = 0, sum = 0, squares = 0, closest = 3e38f;
  for (int j = 0; j < k; ++j) {
    const float of = u[j], value = j == top ? 0.0f : behind_second(of, ref), share = alpha[j] * value;
    total += value;
    sum += share;
    squares = fma_(share, share, squares);
    x[j] = share;
    d[j] = (half[j] - log_alpha[j]) - (of - ref);  // unused at J
    closest = j != top && d[j] < closest ? d[j] : closest;
  }
  const float ahead = u_top - ref, lead = ahead < kLargestLead ? ahead : kLargestLead;
  const float gap = log_alpha[top] + lead, g = gamma[top], a_nearest = alpha[nearest];
  float s = start_of(gap - log_of(sum), tangent_of(g), g, log1p_gamma[top]);
  Top of = top_at(s, g);
  float rho = of.m - gap;
  const auto read = [&](int j, float from) {
    const Place at = place_below(from - rho);
    const Cubic c = *reinterpret_cast<const Cubic*>(table + 4 * (at.piece + table_of[j] * kPiecesSoftmax));
    return taylor(c, at.t, at.per_width);
  };
  {
    const Taylor near = read(nearest, half[nearest] - log_alpha[nearest]);
    const Taylor rest = read(top, half[top] + behind_half(sum, squares, a_nearest));
    const float x_rest = sum - a_nearest;
    s -= newton(of.p, of.M, of.N, rho, fma_(x_rest, rest.f0, a_nearest * near.f0),
                fma_(x_rest, rest.f1, a_nearest * near.f1));
  }
  Taylor S{0.0f, 0.0f, 0.0f, 0.0f};
  for (int readings = 0; readings < kMostReadings; ++readings) {
    of = top_at(s, g);
    rho = of.m - gap;
    S = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int j = 0; j < k; ++j) {
      if (j == top) continue;
      const Taylor a = read(j, d[j]);
      S = {fma_(x[j], a.f0, S.f0), fma_(x[j], a.f1, S.f1), fma_(x[j], a.f2, S.f2), fma_(x[j], a.f3, S.f3)};
    }
    const Solved solved = solve(s, newton(of.p, of.M, of.N, rho, S.f0, S.f1), g, gap, rho, S);
    s = solved.s;
    if (!(solved.shift > kLongestShift<FOCAL_POLICY>) && !is_off(closest - rho)) break;
  }

  const auto slope = [&](int j) { return j == top ? Slope{0.0f, 0.0f, 0.0f} : slope_of(read(j, d[j]), x[j]); };
  const Leader leader = leader_at<FOCAL_POLICY>(s, g, gap, lead, total);
  const CanonicalRow row = canonical_softmax_row(leader, rho, S, x[t], slope(t), t == top, alpha[t] * w, floor * w,
                                                 static_cast<float>(factor));
  for (int j = 0; j < k; ++j) {
    const Pair<float> pair = row.of_class<FOCAL_POLICY>(x[j] * (1.0f / alpha[j]), slope(j), j == top, j == t);
    x[j] = pair.gradient;
    d[j] = pair.curvature;
  }
}

extern "C" __global__ void canonical_softmax_rows(const float* margin, const int* label, const float* weight,
                                                  const float* table, const int* table_of, const float* classes,
                                                  int64_t n, int32_t k, double floor, double factor, float* gradient,
                                                  float* curvature, int* complaint) {
  each_row(margin, label, weight, n, k, gradient, curvature, [&](int t, float w, const float* u, float* x, float* d) {
    canonical_softmax_of_row(u, x, d, t, w, table, table_of, classes, k, floor, factor, complaint);
  });
}
