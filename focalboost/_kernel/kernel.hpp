// The C interface: what Python fills in and what it gets back. The ctypes structure in __init__.py mirrors Job.

#pragma once

#include <cstdint>

enum Type : int32_t { Float32, Float64, Int8, UInt8, Int16, Int32, Int64, Absent };

// Bits of a return value. With any of them the output is meaningless, and the caller looks for the row.
enum Complaint : int32_t { Fine = 0, BadMargin = 1, BadLabel = 2, BadWeight = 4, NoMemory = 8 };

struct Job {
  const void* margin;   // Float32 or Float64: also the arithmetic
  const void* label;
  const void* weight;   // Float32 or Float64, or Absent
  void* gradient;       // output_type
  void* curvature;
  const double* gamma;  // per label
  const double* alpha;
  int64_t rows, start, stop;  // of the rows, only [start, stop)
  int32_t classes;            // 1: binary
  int32_t margin_type, label_type, weight_type, output_type;
  int32_t margin_by_class, output_by_class;  // F order of (rows, classes)
  int32_t policy;             // 0 exact, 1 guarded
  int32_t halves;             // 2 gamma where the power is a product, else -1
  double floor;               // of the curvature, before weights
  double factor;              // on the curvature
  double middle;              // of the binary table
  const float* table;         // with the canonical link: pieces of cubics, see formulas.hpp
  const int32_t* table_of;    // of the classes: which of the tables
};
