// Gradient and curvature of all rows in one pass on a CUDA device: the formulas of formulas.hpp, one thread a row.
// cuda.py compiles it when it is first used, and sets FOCAL_HALVES and FOCAL_POLICY. Margins and results are float32,
// in C order. With -fmad=false it rounds as a CPU with fma does, except that CuPy's options make subnormal
// results 0. Labels and weights are checked before they are uploaded; margins are checked here.

#include "formulas.hpp"

using namespace FOCAL_ISA;

// weight: one per row, or null. per_row: margins of a row (several targets), each an observation.
extern "C" __global__ void binary_rows(const float* margin, const int* label, const float* weight, const double* gamma,
                                       const double* alpha, int64_t n, int32_t per_row, double floor, double factor,
                                       float* gradient, float* curvature, int* complaint) {
  const Binary<float> loss(gamma, alpha, floor, factor);
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const float z = margin[i], w = weight ? weight[i / per_row] : 1.0f;
    if (!is_finite(z)) atomicOr(complaint, 1);
    const Pair<float> of = binary_row<FOCAL_HALVES, FOCAL_POLICY>(z, label[i] != 0, w, loss);
    gradient[i] = of.gradient;
    curvature[i] = of.curvature;
  }
}

// n rows of k margins; gamma and alpha per class.
extern "C" __global__ void softmax_rows(const float* margin, const int* label, const float* weight, const double* gamma,
                                        const double* alpha, int64_t n, int32_t k, double floor, double factor,
                                        float* gradient, float* curvature, int* complaint) {
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const float* z = margin + i * k;
    float* g = gradient + i * k;
    float* h = curvature + i * k;
    const int t = label[i];
    const float w = weight ? weight[i] : 1.0f;

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
      continue;
    }

    float total = 0, others = 0, x_true = 0;
    for (int j = 0; j < k; ++j) {
      const float x = j == top ? 0.0f : behind_second(z[j], second);
      total += x;
      others += j == t ? 0.0f : x;
      x_true = j == t ? x : x_true;
      g[j] = x;  // read again below, by this thread
    }
    const Row<float> row = softmax_row<FOCAL_HALVES, FOCAL_POLICY>(first, second, z[t], total, others, x_true, t == top,
                                                                   gamma[t], alpha[t] * w, floor, factor);
    for (int j = 0; j < k; ++j) {
      const Pair<float> of = row.of_class(g[j], j == top, j == t);
      g[j] = of.gradient;
      h[j] = of.curvature;
    }
  }
}
