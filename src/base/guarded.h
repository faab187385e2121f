#pragma once
// Data that is reachable only through its lock.
#include <mutex>
#include <utility>

namespace drover {

template <class T>
class Guarded {
 public:
  class Access {
   public:
    T& operator*() { return *value_; }
    T* operator->() { return value_; }
    // For condition variables.
    std::unique_lock<std::mutex>& lock() { return lock_; }

   private:
    friend class Guarded;
    Access(std::mutex& mutex, T& value) : lock_(mutex), value_(&value) {}
    std::unique_lock<std::mutex> lock_;
    T* value_;
  };

  template <class... Args>
  explicit Guarded(Args&&... args) : value_(std::forward<Args>(args)...) {}
  [[nodiscard]] Access lock() { return Access{mutex_, value_}; }

 private:
  std::mutex mutex_;
  T value_;
};

}  // namespace drover
