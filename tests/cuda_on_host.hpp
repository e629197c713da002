// The part of CUDA that kernel.cu needs, for the CPU: a grid of one thread, which computes every row.
#pragma once

#define __global__

namespace {
struct Index {
  int x;
};
const Index blockIdx{0}, threadIdx{0}, blockDim{1}, gridDim{1};
int atomicOr(int* address, int value) {
  const int old = *address;
  *address |= value;
  return old;
}
}  // namespace
