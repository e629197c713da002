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

// The same with the canonical link; table: pieces of cubics, see formulas.hpp.
extern "C" __global__ void canonical_rows(const float* margin, const int* label, const float* weight,
                                          const float* table, float middle, int64_t n, int32_t per_row, double floor,
                                          double factor, float* gradient, float* curvature, int* complaint) {
  const Canonical<float> loss{middle, static_cast<float>(floor), static_cast<float>(factor)};
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const float u = margin[i], w = weight ? weight[i / per_row] : 1.0f;
    if (!is_finite(u)) atomicOr(complaint, 1);
    const Place at = canonical_place(is_finite(u) ? u : 0.0f, middle);
    const Cubic c = *reinterpret_cast<const Cubic*>(table + 4 * at.piece);
    const Pair<float> of = canonical_row<FOCAL_POLICY>(u, label[i] != 0, w, loss, c, at.t, at.width);
    gradient[i] = of.gradient;
    curvature[i] = of.curvature;
  }
}

// classes: of each class alpha, log alpha, m at p = 1/2, gamma and log(1 + gamma), one after the other.
extern "C" __global__ void canonical_softmax_rows(const float* margin, const int* label, const float* weight,
                                                  const float* table, const int* table_of, const float* classes,
                                                  int64_t n, int32_t k, double floor_, double factor, float* gradient,
                                                  float* curvature, int* complaint) {
  const float *alpha = classes, *log_alpha = alpha + k, *half = log_alpha + k, *gamma = half + k, *log1p_gamma = gamma + k;
  const float floor = larger(static_cast<float>(floor_), -3e38f);
  const int64_t step = static_cast<int64_t>(gridDim.x) * blockDim.x;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) {
    const float* u = margin + i * k;
    float* x = gradient + i * k;  // scratch, written over at the end
    float* d = curvature + i * k;
    const int t = label[i];
    const float w = weight ? weight[i] : 1.0f;

    bool finite = true;
    int top = 0;
    for (int j = 0; j < k; ++j) {
      finite = finite && is_finite(u[j]);
      top = u[j] + (log_alpha[j] - half[j]) > u[top] + (log_alpha[top] - half[top]) ? j : top;
    }
    if (!finite) {  // the loops below would be safe, but their results meaningless
      atomicOr(complaint, 1);
      for (int j = 0; j < k; ++j) x[j] = d[j] = 0.0f;
      continue;
    }
    float ref = top == 0 ? u[1] : u[0];
    for (int j = 0; j < k; ++j) ref = j != top && u[j] > ref ? u[j] : ref;
    float total = 0, sum = 0, squares = 0;
    for (int j = 0; j < k; ++j) {
      const float behind = j == top ? 0.0f : u[j] - ref, value = j == top ? 0.0f : behind_second(u[j], ref);
      const float rival = alpha[j] * value;
      total += value;
      sum += rival;
      squares = fma_(rival, rival, squares);
      x[j] = rival;
      d[j] = (half[j] - log_alpha[j]) - behind;
    }
    const float ahead = u[top] - ref, lead = ahead < kLargestLead ? ahead : kLargestLead;
    const float gap = log_alpha[top] + lead, g = gamma[top], rivals = sum * sum / squares;
    const float log_sum = log_of(sum);
    float s = start_of(gap - log_sum, rivals, g, log1p_gamma[top]);
    const auto place_of = [&](float from, float rho) {
      const float distance = from - rho;
      return place<kOctavesSoftmax, kLogPiecesSoftmax>(distance > 0.0f ? distance : 0.0f);
    };
    const auto cubic_of = [&](int j, int number, const Place& at) {
      return *reinterpret_cast<const Cubic*>(table + 8 * (at.piece + table_of[j] * kPiecesSoftmax) + number);
    };
    {
      const Top of = top_at(s, g);
      const float rho = of.m - gap;
      const Place at = place_of(half[top] - log_sum + log_of(rivals), rho);
      const Cubic c = cubic_of(top, 0, at);
      const float a = c.value(at.t), ratio = 1.0f - c.slope(at.t) * (1.0f / at.width) / a;
      s -= newton(of.p, of.M, of.N, rho, log_sum + log_of(a), ratio);
    }
    for (int pass = 0; pass < kMostSteps; ++pass) {
      const Top of = top_at(s, g);
      const float rho = of.m - gap;
      float sum_a = 0, sum_B = 0;
      for (int j = 0; j < k; ++j) {
        const Place at = place_of(d[j], rho);
        const Cubic c = cubic_of(j, 0, at);
        const float a = c.value(at.t);
        sum_a = fma_(x[j], a, sum_a);
        sum_B = fma_(x[j], a - c.slope(at.t) * (1.0f / at.width), sum_B);
      }
      const float change = newton(of.p, of.M, of.N, rho, log_of(sum_a), sum_B / sum_a);
      s -= change;
      if (!(magnitude(change) > kShortStep)) break;
    }

    const Leader leader = leader_at<FOCAL_POLICY>(s, g, gap, lead, total);
    float sum_B = 0, sum_d = 0, others = 0, B = leader.B, dB = leader.dB;
    const auto second_of = [&](int j, float value, const Cubic& c, const Place& at) {
      return j == top ? leader.d_pi : x[j] * (value + -c.slope(at.t) * (1.0f / at.width));
    };
    for (int j = 0; j < k; ++j) {
      const Place at = place_of(d[j], leader.rho);
      const Cubic c = cubic_of(j, 4, at);
      const float value = c.value(at.t), pi = j == top ? leader.pi : x[j] * value;
      if (FOCAL_POLICY == Exact) {
        sum_d += j == top ? 0.0f : second_of(j, value, c, at);
        dB = j == t && j != top ? -c.slope(at.t) * (1.0f / at.width) : dB;
      }
      sum_B += j == top ? 0.0f : pi;
      others += j == t ? 0.0f : pi;
      B = j == t && j != top ? value : B;
    }
    const float wa = alpha[t] * w;
    const CanonicalRow row{1.0f / (sum_B + leader.pi), sum_B, sum_d, leader.d_pi, others, B * wa, dB * wa, floor * w,
                           static_cast<float>(factor)};
    for (int j = 0; j < k; ++j) {
      const Place at = place_of(d[j], leader.rho);
      const Cubic c = cubic_of(j, 4, at);
      const float value = c.value(at.t), pi = j == top ? leader.pi : x[j] * value;
      const float d_pi = FOCAL_POLICY == Exact ? second_of(j, value, c, at) : 0.0f;
      const float eta = j == top ? leader.eta : x[j] * (1.0f / alpha[j]) * leader.per_eta;
      const Pair<float> of = row.of_class<FOCAL_POLICY>(pi, d_pi, eta, j == top, j == t);
      x[j] = of.gradient;
      d[j] = of.curvature;
    }
  }
}
