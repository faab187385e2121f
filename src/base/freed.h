#pragma once
// The deleter of a handle of a C library: `std::unique_ptr<T, Freed<t_free>>`. What the function
// returns is nobody's business any more.
namespace drover {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* pointer) const {
    static_cast<void>(Free(pointer));
  }
};

}  // namespace drover
