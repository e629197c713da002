// The kernel under the sanitizers: every type, layout and curvature, lengths around the sizes of blocks, buffers of
// exactly the right size, and wrong labels, margins and weights of every kind. "make sanitize" builds and runs it.

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "kernel.hpp"

namespace baseline { int32_t run(const Job&); }
#if defined(FOCAL_X86)
namespace avx2 { int32_t run(const Job&); }
#endif

namespace {

std::mt19937 random_bits(0);
double uniform() { return std::uniform_real_distribution<double>(0, 1)(random_bits); }

// A heap block of exactly n values: the sanitizer reports an access one byte beyond.
template <class T>
std::unique_ptr<T[]> values(int64_t n, double low, double high, double wrong) {
  static const double kinds[] = {NAN, INFINITY, -INFINITY, -1, 1e30, -1e30, 0.5, 3e9};
  std::unique_ptr<T[]> out(new T[n]);
  for (int64_t i = 0; i < n; ++i) {
    const double value = low + (high - low) * uniform();
    out[i] = static_cast<T>(std::numeric_limits<T>::is_integer ? std::floor(value) : value);
    if (uniform() < wrong) {
      const double kind = kinds[random_bits() % 8];
      if (!std::numeric_limits<T>::is_integer) out[i] = static_cast<T>(kind);
      else out[i] = random_bits() % 2 ? std::numeric_limits<T>::max() : std::numeric_limits<T>::lowest();
    }
  }
  return out;
}

template <class T>
constexpr Type type_of() {
  return sizeof(T) == 4 ? Float32 : Float64;
}

// Of formulas.hpp: pieces of the tables. A table of exactly these pieces, with cubics of no meaning but moderate values,
// slopes and curvatures: the results must be finite and every access inside.
constexpr int kPiecesBinary = 2 * (16 << 6), kPiecesSoftmax = 6 << 8;

std::vector<float> cubics(int pieces) {
  const double sizes[4] = {0.1, 1e-3, 1e-6, 1e-9};  // the narrowest piece is 1 / 256 wide
  std::vector<float> out;
  for (int i = 0; i < 4 * pieces; ++i) out.push_back(float((i % 4 == 0) + sizes[i % 4] * (uniform() - 0.5)));
  return out;
}

long runs = 0;

template <class Margin, class Label, class Out>
void all(Type label_type, double wrong) {
  const int classes[] = {1, 2, 3, 7, 40, 700};
  const int lengths[] = {1, 2, 15, 17, 511, 512, 513, 1025};
  for (int k : classes)
    for (int n : lengths)
      for (int policy = 0; policy < 2; ++policy)
        for (int kind = 0; kind < 8; ++kind) {
          const int form = kind & 3;
          const bool canonical = kind >= 4;
          if (k == 700 && n > 20) continue;
          if (canonical && sizeof(Out) == 8) continue;  // the tables are for float results
          const int labels = k == 1 ? 2 : k > 127 ? 127 : k;
          auto margin = values<Margin>(int64_t(n) * k, -30, 30, wrong);
          auto label = values<Label>(n, 0, labels, wrong);
          if (!std::numeric_limits<Label>::is_integer)
            for (int i = 0; i < n; ++i)
              if (label[i] >= 0 && label[i] < labels && label[i] != Label(0.5)) label[i] = Label(int(label[i]));
          auto weight = values<Margin>(n, 0, 3, wrong);
          auto gamma = values<double>(k == 1 ? 2 : k, 0, 5, 0), alpha = values<double>(k == 1 ? 2 : k, 0.1, 9, 0);
          std::unique_ptr<Out[]> gradient(new Out[int64_t(n) * k]), curvature(new Out[int64_t(n) * k]);
          Job job{};
          job.margin = margin.get();
          job.label = label.get();
          job.weight = form & 1 ? weight.get() : nullptr;
          job.gradient = gradient.get();
          job.curvature = curvature.get();
          job.gamma = gamma.get();
          job.alpha = alpha.get();
          job.rows = n;
          job.start = form & 2 ? n / 3 : 0;
          job.stop = n;
          job.classes = k;
          job.margin_type = type_of<Margin>();
          job.label_type = label_type;
          job.weight_type = form & 1 ? type_of<Margin>() : Absent;
          job.output_type = type_of<Out>();
          job.margin_by_class = form & 1;
          job.output_by_class = (form >> 1) & 1;
          job.policy = policy;
          job.halves = form == 0 ? 4 : -1;
          if (form == 0) gamma[0] = gamma[1 % (k == 1 ? 2 : k)] = 2;
          job.floor = 1e-16;
          job.factor = 2;
          const int tables = k < 3 ? k : 3;
          const std::vector<float> table = cubics(k == 1 ? kPiecesBinary : tables * kPiecesSoftmax);
          std::vector<int32_t> table_of(k);
          for (int j = 0; j < k; ++j) table_of[j] = j % tables;
          if (canonical) {
            job.table = table.data();
            job.table_of = table_of.data();
            job.middle = uniform() * 6 - 3;
          }
          int32_t complaints = baseline::run(job);
#if defined(FOCAL_X86)
          if (avx2::run(job) != complaints) {
            std::puts("instruction sets complain differently");
            std::exit(1);
          }
#endif
          ++runs;
          if (wrong != 0) continue;
          if (complaints) {
            std::printf("complaint %d about good input\n", complaints);
            std::exit(1);
          }
          for (int64_t i = 0; i < int64_t(n) * k; ++i) {
            const int64_t row = job.output_by_class ? i % n : i / k;
            if (row < job.start) continue;
            if (!std::isfinite(double(gradient[i])) || !(curvature[i] >= 0) || !std::isfinite(double(curvature[i]))) {
              std::puts("not finite");
              std::exit(1);
            }
          }
        }
}

template <class Margin, class Out>
void labels(double wrong) {
  all<Margin, float, Out>(Float32, wrong);
  all<Margin, double, Out>(Float64, wrong);
  all<Margin, int8_t, Out>(Int8, wrong);
  all<Margin, uint8_t, Out>(UInt8, wrong);
  all<Margin, int16_t, Out>(Int16, wrong);
  all<Margin, int32_t, Out>(Int32, wrong);
  all<Margin, int64_t, Out>(Int64, wrong);
}

}  // namespace

int main() {
  for (double wrong : {0.0, 0.01, 0.5}) {
    labels<float, float>(wrong);
    labels<double, float>(wrong);
    labels<double, double>(wrong);
  }
  std::printf("%ld runs, nothing found\n", runs);
}
