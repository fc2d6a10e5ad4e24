// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a process has of a channel, or of a gathering, between processes: its objects and what is under way of them.
//
//     sender     idle ─► fresh ─► put: letter ─► sending ─► idle           as many under way as the receiver has objects
//     receiver   vacant ─► accept: letter, runs ─► box of its identity ─► take ─► give_back ─► vacant, owed as credit
// A box is a short queue: the message of the next step may come before that of this one is taken. Where both ends are one
// rank, the object itself changes hands. Nothing here waits; mpi.hpp does. Cost: an object an end, asked for when it is opened.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/transport/mpi_post.hpp>
#include <stretto/transport/transport.hpp>

namespace stretto::inline v0::detail {

class mpi_channel {
 public:
  mpi_channel(const channel_shape& s, int number, mpi_post& post) : shape(s), number_(number), post_(post) {
    const bool sends = s.from == post.rank(), takes = s.to == post.rank();
    if (!sends && !takes) return;
    if (s.boxes > (std::int64_t{1} << 31) - 1) throw error(text("stretto: a channel of ", s.boxes, " messages a step is more than a letter can number; use fewer micro-batches or slices").str());
    if (s.from != s.to && s.cross == nullptr)
      throw error(text("stretto: rank ", s.from, " sends ", type_in(s.type), " to rank ", s.to, ", and the type doesn't say how it crosses between processes; add cross(crossing&, value&) to its wire_traits").str(), {.rank = post.rank()});
    for (int i = 0; i < s.objects && sends; ++i) {
      out_.push_back({s.make(s.maker), {}, 0});
      idle_.push_back(i);
      if (takes) continue;
      crossing w;
      s.cross(out_.back().object, w);
      out_.back().letter = mpi_post::make_paper(letter_size);
      post.reserve(1 + static_cast<std::size_t>(w.runs()));
    }
    if (!takes) return;
    boxes_.resize(static_cast<std::size_t>(s.boxes));
    in_ = std::vector<incoming>(static_cast<std::size_t>(s.objects));
    for (int i = 0; i < s.objects; ++i) {
      if (!sends) in_[static_cast<std::size_t>(i)].object = s.make(s.maker);
      vacant_.push_back(i);
    }
  }
  mpi_channel(const mpi_channel&) = delete;
  mpi_channel& operator=(const mpi_channel&) = delete;
  ~mpi_channel() {
    for (outgoing& o : out_) shape.drop(o.object);
    for (incoming& i : in_)
      if (shape.from != shape.to) shape.drop(i.object);
  }

  channel_shape shape;
  int number() const { return number_; }
  bool is_inside() const { return shape.from == shape.to; }

  // The sender.

  bool has_fresh() {
    for (std::size_t i = 0; i < sending_.size();) {
      if (out_[static_cast<std::size_t>(sending_[i])].left > 0) {
        ++i;
        continue;
      }
      idle_.push_back(sending_[i]);
      sending_[i] = sending_.back();
      sending_.pop_back();
    }
    return !idle_.empty() && under_way_ < shape.objects;
  }
  void* fresh() {
    const int i = idle_.back();
    idle_.pop_back();
    return out_[static_cast<std::size_t>(i)].object;
  }
  void send(letter_head& head, std::int32_t mark, void* object) {
    const int i = place_of(out_, object, last_sent_);
    outgoing& o = out_[static_cast<std::size_t>(i)];
    head.channel = static_cast<std::uint32_t>(number_);
    crossing w;
    if (std::int64_t number = mark; mark != 0) head.empty = 1, w.number(number);
    else shape.cross(object, w);
    const int bytes = seal(o.letter.get(), head, w);
    sending_.push_back(i);
    ++under_way_;
    post_.send(shape.to, mpi_post::letters, o.letter.get(), bytes, &o.left);
    for (int k = 0; k < head.apart; ++k) post_.send(shape.to, mpi_post::runs, w[k].at, w[k].bytes, &o.left);
  }
  void credit(int count) { under_way_ -= count; }
  bool is_sending() const {
    for (const outgoing& o : out_)
      if (o.left > 0) return true;
    return false;
  }

  // The receiver.

  /// `runs`: where they are already, if they came before the channel was opened.
  void accept(const unsigned char* sheet, const letter_head& head, int from, const mpi_post::paper* runs = nullptr) {
    if (head.box >= boxes_.size() || from != shape.from || vacant_.empty()) [[unlikely]]
      refuse(head, from);
    const int i = vacant_.back();
    vacant_.pop_back();
    ++used_;
    incoming& in = in_[static_cast<std::size_t>(i)];
    in.id = {step_ = whole_step(head.step, step_), number_, head.box};
    filled_ = 0;
    try {
      if (head.empty == 0) fill(in, sheet, head, from, runs);
      else in.id.mark = static_cast<std::int32_t>(numbers_of(sheet)[0]);
    } catch (const std::exception& e) {
      in.trouble = text("a message from rank ", shape.from, " can't be taken in: ", e.what());
    } catch (...) {
      in.trouble = text("a message from rank ", shape.from, " can't be taken in: something that is no std::exception was thrown");
    }
    if (!in.trouble.empty() && runs == nullptr) pass_over(in, sheet, head, from);
    if (in.left > 0) filling_.push_back(i);
    else deliver(i);
  }
  bool has(std::int64_t box_number) {
    for (std::size_t i = 0; i < filling_.size();) {
      if (in_[static_cast<std::size_t>(filling_[i])].left > 0) {
        ++i;
        continue;
      }
      deliver(filling_[i]);
      filling_.erase(filling_.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return boxes_[static_cast<std::size_t>(box_number)].first >= 0;
  }
  parcel take(std::int64_t box_number) {
    box& b = boxes_[static_cast<std::size_t>(box_number)];
    const int i = b.first;
    incoming& in = in_[static_cast<std::size_t>(i)];
    b.first = in.next;
    if (!in.trouble.empty()) [[unlikely]]
      throw error(in.trouble.str());
    if (is_inside()) vacant_.push_back(i);
    return {in.object, in.id};
  }
  /// Gives whether the sender may wait for it, so that it should be told at once.
  bool give_back(void* object) {
    if (is_inside()) {
      idle_.push_back(place_of(out_, object, last_sent_));
      return false;
    }
    vacant_.push_back(place_of(in_, object, last_taken_));
    ++returned_;
    return owes_all();
  }
  void put_inside(const message_id& id, void* object) {
    const int i = vacant_.back();
    vacant_.pop_back();
    incoming& in = in_[static_cast<std::size_t>(i)];
    in.object = object, in.id = id;
    deliver(i);
  }
  bool owes() const { return returned_ > 0; }
  bool owes_all() const { return returned_ > 0 && used_ >= shape.objects; }  ///< the sender thinks that all objects are in use
  std::uint16_t take_credits() {
    const int count = returned_ < 65535 ? returned_ : 65535;
    used_ -= count, returned_ -= count;
    return static_cast<std::uint16_t>(count);
  }
  bool is_filling() const { return !filling_.empty(); }

 private:
  struct incoming {
    void* object = nullptr;
    message_id id{};
    int left = 0, next = -1;  // runs that are to come; what is behind it in its box
    text trouble;
    std::vector<mpi_post::paper> spare;  // for what can't be taken in
  };
  struct outgoing {
    void* object = nullptr;
    mpi_post::paper letter;
    int left = 0;  // letters and runs that MPI still reads
  };
  struct box {
    int first = -1, last = -1;
  };

  /// They come in turn, so it is mostly the one behind the last.
  template <class All>
  static int place_of(const All& all, const void* object, int& last) {
    const int n = static_cast<int>(all.size());
    for (int tries = 0; tries < n; ++tries) {
      last = last + 1 < n ? last + 1 : 0;
      if (all[static_cast<std::size_t>(last)].object == object) return last;
    }
    throw error("stretto: an object is handed to a channel that it isn't of; put what fresh gave, and give back what take gave");
  }

  void fill(incoming& in, const unsigned char* sheet, const letter_head& head, int from, const mpi_post::paper* runs) {
    crossing w(numbers_of(sheet), head.numbers);
    shape.cross(in.object, w);
    if (w.numbers() != head.numbers || (head.apart != 0 ? w.runs() != head.apart : w.bytes() != head.bytes)) [[unlikely]]
      refuse_size(head, w);
    const unsigned char* at = sheet + sizeof(letter_head) + head.numbers * 8;
    for (int k = 0; k < w.runs(); ++k) {
      if (head.apart != 0 && numbers_of(sheet)[head.numbers + k] != w[k].bytes) throw error("stretto: its runs are of other lengths than here; let cross() do the same on both ends");
      if (head.apart != 0 && runs == nullptr) {
        post_.receive_run(from, w[k].at, w[k].bytes, &in.left);
        ++filled_;
        continue;
      }
      copy_run(w[k].at, head.apart != 0 ? runs[k].get() : at, w[k].bytes);
      at += w[k].bytes;
    }
  }
  /// Runs that nobody has use for come all the same, before those of the next message.
  void pass_over(incoming& in, const unsigned char* sheet, const letter_head& head, int from) {
    for (int k = filled_; k < head.apart; ++k) {
      const std::int64_t bytes = numbers_of(sheet)[head.numbers + k];
      in.spare.push_back(mpi_post::make_paper(bytes));
      post_.receive_run(from, in.spare.back().get(), bytes, &in.left);
    }
  }
  void deliver(int i) {
    incoming& in = in_[static_cast<std::size_t>(i)];
    box& b = boxes_[static_cast<std::size_t>(in.id.box)];
    in.next = -1;
    if (b.first >= 0) refuse_twice(in.id, b.first);
    (b.first < 0 ? b.first : in_[static_cast<std::size_t>(b.last)].next) = i;
    b.last = i;
  }

  [[noreturn, gnu::cold, gnu::noinline]] void refuse(const letter_head& head, int from) const {
    const error_place here{.rank = post_.rank()};
    if (head.box >= boxes_.size() || from != shape.from)
      throw error(text("stretto: rank ", post_.rank(), " gets a message of channel ", number_, " box ", static_cast<std::int64_t>(head.box), " from rank ", from, ", and that channel has ", static_cast<std::int64_t>(boxes_.size()),
                       " boxes and begins at rank ", shape.from, "; the transport mixes up messages").str(), here);
    throw error(text("stretto: rank ", post_.rank(), " gets more messages of channel ", number_, " from rank ", shape.from, " than the ", shape.objects, " that it has room for; bind both ranks alike").str(), here);
  }
  [[gnu::noinline]] void refuse_twice(const message_id& id, int first) const {
    for (int k = first; k >= 0; k = in_[static_cast<std::size_t>(k)].next)
      if (in_[static_cast<std::size_t>(k)].id == id)
        throw error(text("stretto: the message of channel ", number_, " box ", id.box, " of step ", id.step, " came twice from rank ", shape.from, "; the transport mixes up messages").str(), {.rank = post_.rank()});
  }
  [[noreturn, gnu::cold, gnu::noinline]] static void refuse_size(const letter_head& head, const crossing& w) {
    throw error(text("stretto: it has ", static_cast<int>(head.numbers), " numbers, ", static_cast<int>(head.apart), " runs apart and ", static_cast<int>(head.bytes), " bytes, and here ", w.numbers(), ", ", w.runs(), " and ", w.bytes(),
                     "; let cross() do the same on both ends").str());
  }

  int number_;
  mpi_post& post_;
  std::vector<outgoing> out_;
  std::vector<int> idle_, sending_;
  std::vector<incoming> in_;
  std::vector<int> vacant_, filling_;
  std::vector<box> boxes_;
  int under_way_ = 0;              // messages that the receiver hasn't given back, as far as the sender knows
  int used_ = 0, returned_ = 0;    // what the sender counts as under way; of that, what is given back and not told yet
  int last_sent_ = -1, last_taken_ = -1;
  int filled_ = 0;                 // runs of a message that are received into its object
  std::int64_t step_ = 0;          // of the last message that came
};

/// Segments of some ranks, a few steps deep, each with room for a letter's head in front.
class mpi_gathering {
 public:
  mpi_gathering(const gathering_shape& s, std::int64_t number, mpi_post& post) : shape(s), number_(number), post_(post), place_(static_cast<std::size_t>(post.ranks()), -1) {
    if (shape.members.empty())
      for (int r = 0; r < post.ranks(); ++r) shape.members.push_back(r);
    for (std::size_t i = 0; i < shape.members.size(); ++i) place_[static_cast<std::size_t>(shape.members[i])] = static_cast<int>(i);
    stride_ = front + (shape.bytes + 63) / 64 * 64;
    const std::size_t segments = shape.members.size() * static_cast<std::size_t>(shape.depth);
    room_ = std::vector<unsigned char>(segments * static_cast<std::size_t>(stride_) + 64);
    there_ = std::vector<std::atomic<std::int64_t>>(segments);
    left_.assign(segments, 0), coming_.assign(segments, 0);
    post.reserve(segments);
  }
  mpi_gathering(const mpi_gathering&) = delete;
  mpi_gathering& operator=(const mpi_gathering&) = delete;

  gathering_shape shape;

  unsigned char* segment(int rank, std::int64_t step) { return begin() + index(rank, step) * stride_ + front; }
  /// Whether MPI still reads or writes what was there.
  bool is_under_way(int rank, std::int64_t step) const { return left_[static_cast<std::size_t>(index(rank, step))] > 0; }
  bool is_under_way() const {
    for (const int left : left_)
      if (left > 0) return true;
    return false;
  }

  void publish(std::int64_t step) {
    letter_head head;
    head.step = static_cast<std::uint32_t>(step), head.kind = mail_kind::segment;
    head.channel = static_cast<std::uint32_t>(number_), head.box = static_cast<std::uint32_t>(number_ >> 32);
    const auto size = static_cast<std::int64_t>(sizeof head);
    unsigned char* const data = segment(post_.rank(), step);
    int* const left = &left_[static_cast<std::size_t>(index(post_.rank(), step))];
    head.apart = size + shape.bytes > letter_size ? 1 : 0;
    head.bytes = static_cast<std::uint16_t>(head.apart != 0 ? 0 : shape.bytes);
    unsigned char* const letter = data - size - (head.apart != 0 ? 8 : 0);
    std::memcpy(letter, &head, sizeof head);
    if (head.apart != 0) std::memcpy(data - 8, &shape.bytes, 8);
    for (const int to : shape.members) {
      if (to == post_.rank()) continue;
      post_.send(to, mpi_post::letters, letter, head.apart != 0 ? size + 8 : size + shape.bytes, left);
      if (head.apart != 0) post_.send(to, mpi_post::runs, data, shape.bytes, left);
    }
    there_[static_cast<std::size_t>(index(post_.rank(), step))].store(step + 1, std::memory_order_release);
  }
  void accept(const unsigned char* sheet, const letter_head& head, int from, const mpi_post::paper* runs = nullptr) {
    const std::int64_t bytes = head.apart != 0 ? numbers_of(sheet)[0] : head.bytes;
    if (bytes != shape.bytes || place_[static_cast<std::size_t>(from)] < 0)
      throw error(text("stretto: rank ", post_.rank(), " gets a segment of ", bytes, " bytes from rank ", from, ", and expects ", shape.bytes, " of the members; let all members open a gathering alike").str(), {.rank = post_.rank()});
    const std::int64_t step = step_ = whole_step(head.step, step_);
    const auto i = static_cast<std::size_t>(index(from, step));
    unsigned char* const to = segment(from, step);
    if (head.apart != 0 && runs == nullptr) {
      post_.receive_run(from, to, bytes, &left_[i]);
      coming_[i] = step + 1;
      return;
    }
    std::memcpy(to, head.apart != 0 ? runs[0].get() : sheet + sizeof head, static_cast<std::size_t>(bytes));
    there_[i].store(step + 1, std::memory_order_release);
  }
  /// With the lock held: notes which segments are whole now.
  bool is_whole(std::int64_t step) {
    bool whole = true;
    for (const int r : shape.members) {
      const auto i = static_cast<std::size_t>(index(r, step));
      if (coming_[i] != 0 && left_[i] == 0) {
        there_[i].store(coming_[i], std::memory_order_release);
        coming_[i] = 0;
      }
      whole = whole && has(r, step);
    }
    return whole;
  }
  bool has_all(std::int64_t step) const {
    for (const int r : shape.members)
      if (!has(r, step)) return false;
    return true;
  }

 private:
  static constexpr std::int64_t front = 64;
  std::int64_t index(int rank, std::int64_t step) const { return static_cast<std::int64_t>(place_[static_cast<std::size_t>(rank)]) * shape.depth + step % shape.depth; }
  bool has(int rank, std::int64_t step) const { return there_[static_cast<std::size_t>(index(rank, step))].load(std::memory_order_acquire) > step; }
  unsigned char* begin() {
    const auto at = reinterpret_cast<std::uintptr_t>(room_.data());
    return room_.data() + ((at + 63) / 64 * 64 - at);
  }

  std::int64_t number_, step_ = 0;  // step_: the last that came
  mpi_post& post_;
  std::vector<int> place_;  // of a rank among the members
  std::int64_t stride_ = 0;
  std::vector<unsigned char> room_;
  std::vector<std::atomic<std::int64_t>> there_;  // by segment: the step behind the one that is there
  std::vector<int> left_;                         // by segment: letters and runs that MPI still reads, or writes
  std::vector<std::int64_t> coming_;              // by segment: the step behind the one whose run is to come
};

}  // namespace stretto::inline v0::detail
