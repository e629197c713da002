// The part of CUDA that kernel.cu needs, for the CPU: a grid of one block, whose threads are threads of the CPU. Each calls
// enter, then the kernel.
#pragma once

#include <condition_variable>
#include <mutex>

#define __global__
#define __shared__

namespace {
struct Index {
  int x;
};
const Index blockIdx{0}, gridDim{1};
Index blockDim{1};
thread_local Index threadIdx{0};

int atomicOr(int* address, int value) { return __atomic_fetch_or(address, value, __ATOMIC_SEQ_CST); }

std::mutex mutex;
std::condition_variable all_here;
int waiting = 0, times = 0;

void __syncthreads() {
  std::unique_lock<std::mutex> lock(mutex);
  const int before = times;
  if (++waiting == blockDim.x) {
    waiting = 0;
    ++times;
    all_here.notify_all();
  } else {
    all_here.wait(lock, [&] { return times != before; });
  }
}
}  // namespace

extern "C" void enter(int thread, int threads) {
  threadIdx.x = thread;
  blockDim.x = threads;
}

float staged[48 << 8];  // the shared memory of a block, 48 KiB
