// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks as streams of one process, on one device or several: a thread walks each rank's list and puts its work on the rank's
// stream. Objects change hands as between threads, and events say what the device must wait for; the CPU waits for nothing.
//
//     sender's stream     … wait emptied ── fills the object ── record filled ─┐                         ┌─► wait emptied …
//     receiver's stream                                                        └─► wait filled ── uses it ── record emptied
// So a thread may be far ahead of its stream. On another device the receiver has objects of its own, to which what an object
// holds is copied, run by run, on the receiver's stream. `lane` is a rank's stream; `settle` waits until all on it is done;
// `clock` says when the device was where.
// Runtime: cuda::runtime (transport/cuda_streams.hpp), or cuda::checked, which needs no device and finds what isn't waited
// for. Pace: how threads wait, as in mailroom.hpp. Cost: two calls of the driver a message and end, and those of threads.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <stretto/cuda/lane_clock.hpp>
#include <stretto/cuda/memory.hpp>
#include <stretto/cuda/stream.hpp>
#include <stretto/transport/mailroom.hpp>
#include <stretto/transport/parking.hpp>

namespace stretto::inline v0 {

/// How ranks lie on devices.
struct lane_options {
  std::vector<int> devices = {};   ///< by rank; empty: neighbours share, of all devices that there are
};

template <class Runtime, class Pace = detail::parking>
class stream_ranks : public mailroom<Pace> {
  using base = mailroom<Pace>;
  using event = cuda::basic_event<Runtime>;

 public:
  using options = typename Pace::options;
  using runtime = Runtime;

  /// Messages of one kind from one stage to one other, with what the device waits for.
  class channel {
   public:
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel() {
      for (void* const object : far_) drop_(object);
    }
    channel_shape shape;

   private:
    friend stream_ranks;
    channel() = default;
    struct known {
      void* object;
      event filled, emptied;
    };
    /// Objects come in turn, so it is mostly the one behind the last.
    known& of(void* object, std::size_t& last) {
      for (std::size_t tries = 0; tries < all_.size(); ++tries) {
        last = last + 1 < all_.size() ? last + 1 : 0;
        if (all_[last].object == object) return all_[last];
      }
      throw error("stretto: an object is handed to a channel that it isn't of; put what fresh gave, and give back what take gave");
    }
    typename base::channel* inner_ = nullptr;
    std::vector<known> all_;
    std::size_t last_sent_ = 0, last_taken_ = 0;
    bool within_ = false;            // one rank: the stream's own order is enough
    std::vector<void*> far_, free_;  // on the receiver's device
    void (*drop_)(void*) = nullptr;
  };

  explicit stream_ranks(int ranks, const options& how = {}, const lane_options& where = {}) : base(ranks, how), devices_(devices_of(ranks, where)) {
    for (int r = 0; r < ranks; ++r) {
      const auto there = place(r);
      lanes_.emplace_back();
      lent_.push_back(lanes_.back().get());
      clocks_.emplace_back();
      std::unique_ptr<begun>& b = begun_[device(r)];
      if (b == nullptr) {
        b = std::make_unique<begun>();
        b->event.record(lent_.back());
      }
      clocks_.back().start(lent_.back(), b->event, b->clock);
    }
  }

  int device(int rank) const { return devices_[static_cast<std::size_t>(rank)]; }
  /// While it lives, the calling thread makes memory of the rank's device.
  cuda::on_device<Runtime> place(int rank) const { return cuda::on_device<Runtime>(device(rank)); }
  typename Runtime::stream stream_of(int rank) const { return lent_[static_cast<std::size_t>(rank)]; }
  /// What tools of a rank's layers are lent: a pointer to its stream.
  const void* lane(int rank) const { return &lent_[static_cast<std::size_t>(rank)]; }
  /// Waits until all that was put on a rank's stream is done.
  void settle(int rank) { clocks_[static_cast<std::size_t>(rank)].settle(); }
  /// Marks on a rank's stream, which say when the device came by: lane_clock.hpp.
  cuda::lane_clock<Runtime>& clock(int rank) { return clocks_[static_cast<std::size_t>(rank)]; }

  void copy(int rank, void* to, const void* from, std::int64_t bytes) {
    if (bytes > 0) Runtime::copy(to, from, bytes, stream_of(rank));
  }
  template <class T>
  using pinned = cuda::pinned<Runtime, T>;

  /// The calling thread makes and uses memory of the rank's device from here on.
  void enter(int who) {
    if (who < this->ranks()) Runtime::use(device(who));
    base::enter(who);
  }

  channel* open(const channel_shape& shape) {
    channels_.push_back(std::unique_ptr<channel>(new channel));
    channel& c = *channels_.back();
    c.shape = shape, c.drop_ = shape.drop, c.within_ = shape.from == shape.to;
    const maker_of made{shape.make, shape.maker, &c, this};
    channel_shape inner = shape;
    inner.maker = &made;
    inner.make = [](const void* m) -> void* {
      const maker_of& how = *static_cast<const maker_of*>(m);
      const channel_shape& s = how.where->shape;
      const cuda::on_device<Runtime> to(how.self->device(s.to));
      event emptied, filled = how.self->event_of(s.from);  // events are recorded on streams of their device alone
      const cuda::on_device<Runtime> from(how.self->device(s.from));
      how.where->all_.push_back({nullptr, std::move(filled), std::move(emptied)});
      return how.where->all_.back().object = how.make(how.maker);
    };
    c.inner_ = base::open(inner);
    if (device(shape.from) != device(shape.to)) {
      if (shape.cross == nullptr)
        throw error(text("stretto: rank ", shape.from, " on device ", device(shape.from), " sends ", detail::type_in(shape.type), " to rank ", shape.to, " on device ", device(shape.to),
                         ", and the type doesn't say how it crosses; add cross(crossing&, value&) to its wire_traits").str());
      const cuda::on_device<Runtime> to(device(shape.to));
      for (int i = 0; i < shape.objects; ++i) c.far_.push_back(shape.make(shape.maker));
      c.free_ = c.far_;
    }
    return &c;
  }
  void close(channel* what) {
    Runtime::finish(stream_of(what->shape.from)), Runtime::finish(stream_of(what->shape.to));
    base::close(what->inner_);
    std::size_t i = 0;
    while (channels_[i].get() != what) ++i;
    channels_.erase(channels_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  using base::close;

  template <class Say>
  void* fresh(channel& c, Say&& say) {
    void* const object = base::fresh(*c.inner_, say);
    if (!c.within_) c.of(object, c.last_sent_).emptied.hold(stream_of(c.shape.from));
    return object;
  }
  template <class Say>
  void put(channel& c, const message_id& id, void* object, Say&& say) {
    if (!c.within_) c.of(object, c.last_sent_).filled.record(stream_of(c.shape.from));
    base::put(*c.inner_, id, object, say);
  }
  template <class Say>
  parcel take(channel& c, const message_id& id, Say&& say) {
    parcel p = base::take(*c.inner_, id, say);
    if (c.within_) return p;
    typename channel::known& k = c.of(p.object, c.last_taken_);
    k.filled.hold(stream_of(c.shape.to));
    if (c.far_.empty()) return p;
    void* const mine = c.free_.back();
    c.free_.pop_back();
    if (p.id.mark == 0) copy_over(c, p.object, mine);
    k.emptied.record(stream_of(c.shape.to));
    base::give_back(*c.inner_, p.object);
    p.object = mine;
    return p;
  }
  void give_back(channel& c, void* object) {
    if (!c.far_.empty()) return c.free_.push_back(object);
    if (!c.within_) c.of(object, c.last_taken_).emptied.record(stream_of(c.shape.to));
    base::give_back(*c.inner_, object);
  }

 private:
  struct maker_of {
    void* (*make)(const void*);
    const void* maker;
    channel* where;
    const stream_ranks* self;
  };

  event event_of(int rank) const {
    const auto there = place(rank);
    return {};
  }

  /// To an object of the receiver's device.
  void copy_over(channel& c, void* from, void* to) {
    crossing out;
    c.shape.cross(from, out);
    crossing in(out.noted(), out.numbers());
    c.shape.cross(to, in);
    for (int i = 0; i < out.runs(); ++i) {
      if (i >= in.runs() || in[i].bytes != out[i].bytes) throw error("stretto: a value crosses between devices in other runs than it is read in; let cross() do the same on both ends");
      Runtime::copy(in[i].at, out[i].at, out[i].bytes, stream_of(c.shape.to));
    }
  }

  static std::vector<int> devices_of(int ranks, const lane_options& how) {
    if (!how.devices.empty() && static_cast<int>(how.devices.size()) != ranks)
      throw error(text("stretto: ", ranks, " ranks are to be streams, and lane_options::devices has ", static_cast<std::int64_t>(how.devices.size()), " devices; give one a rank, or none").str());
    std::vector<int> all = how.devices;
    const int there = Runtime::devices();
    if (there < 1) throw error("stretto: there is no device whose streams could be ranks; see whether the driver finds one, or use threads");
    if (all.empty())
      for (int r = 0; r < ranks; ++r) all.push_back(static_cast<int>(static_cast<std::int64_t>(r) * (there < ranks ? there : ranks) / ranks));
    for (const int d : all)
      if (d < 0 || d >= there) throw error(text("stretto: there are ", there, " devices, and a rank is to be on device ", d, "; name one from 0").str());
    return all;
  }

  std::vector<int> devices_;
  std::vector<cuda::basic_stream<Runtime>> lanes_;
  std::vector<typename Runtime::stream> lent_;
  /// From where a device's time counts.
  struct begun {
    cuda::timed_event<Runtime> event = cuda::timed_event<Runtime>::made();
    cuda::device_clock clock;
  };
  std::map<int, std::unique_ptr<begun>> begun_;
  std::vector<cuda::lane_clock<Runtime>> clocks_;
  std::vector<std::unique_ptr<channel>> channels_;
};

}  // namespace stretto::inline v0
