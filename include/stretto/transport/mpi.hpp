// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks as processes: one each, over any MPI 3.
//
//     mpi t({.deadline = 60});                          in every process; begins MPI where nobody has
//     pipeline p(t, model, cut, plan);                  the same program in each: mpirun -n 4 ./train
// Both ends of a channel have objects of their own. A message is a letter (letter.hpp), found by its identity; large runs go
// from object to object without a copy between. Credits bound what is under way: as many messages as the plan can have.
//
//     fresh ─► fill ─► put ═ letter ═► take ─► use ─► give_back ═ credit, with what goes back anyway ═► fresh
// Who waits looks for letters itself, so nothing is handed from thread to thread. It spins where the ranks of a machine have a
// core each; else it lets others go first. Every wait has a deadline. A failure reaches all ranks (mpi_post.hpp).
// Cost: MPI's own, that of 24 bytes more, and 25 to 50 ns a message; bench/transport puts it beside MPI alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <stretto/transport/mpi_channel.hpp>
#include <stretto/transport/mpi_early.hpp>
#include <stretto/transport/parking.hpp>   // detail::late, detail::in_use
#include <stretto/transport/transport.hpp>

namespace stretto::inline v0 {

struct mpi_options {
  double deadline = 600;           ///< seconds that a rank waits before it gives up and says for what
  MPI_Comm over = MPI_COMM_WORLD;  ///< whose ranks these are
};

class mpi {
  using guard = std::unique_lock<detail::turn_lock>;
  using clock = std::chrono::steady_clock;

 public:
  using options = mpi_options;
  using channel = detail::mpi_channel;
  using gathering = detail::mpi_gathering;
  static constexpr link_model links = stretto::links::buffered;
  static constexpr bool copies_messages = true;

  /// All ranks make one together.
  explicit mpi(const mpi_options& how = {}) : how_(how), post_(how.over, how.deadline), early_(post_) {
    owed_.resize(static_cast<std::size_t>(ranks()));
    ++detail::mpi_session::users();
  }
  mpi(const mpi&) = delete;
  mpi& operator=(const mpi&) = delete;
  /// Waits for the others to come here, too, so that what was sent arrives; a moment longer than they wait for anything.
  ~mpi() {
    guard lock(turns());
    bool together = false;
    --detail::mpi_session::users();
    try {
      if (std::uncaught_exceptions() > thrown_) post_.fail(error(text("stretto: rank ", rank(), " has left its transport because of an exception of its program; see what that says").str(), {.rank = rank()}));
      if (failed()) settle(lock);
      if (!detail::mpi_session::is_over() && (!failed() || post_.all_heard())) together = post_.part(failed() ? 1 : how_.deadline + 1.5, [&] { look(), give_way(lock, post_.fits() ? 0 : 1000); });
    } catch (...) {  // whatever is wrong with MPI was said before, or is no matter any more
    }
    if (together) return;
    post_.abandon();  // what MPI may still read and write stays where it is
    for (auto& c : channels_) static_cast<void>(c.release());
    for (auto& g : gatherings_) static_cast<void>(g.second.release());
    for (auto& c : left_channels_) static_cast<void>(c.release());
    for (auto& g : left_gatherings_) static_cast<void>(g.release());
    early_.abandon();
    static_cast<void>(new std::list(std::move(credits_)));
  }

  int rank() const { return post_.rank(); }
  int ranks() const { return post_.ranks(); }
  bool local(int r) const { return r == rank(); }
  int host() const { return ranks(); }

  void enter(int who) {
    if (who == host() && host_is_there_.exchange(true)) throw detail::in_use();
    if (who == rank()) turns().own();
  }
  void leave(int who) {
    if (who == host()) host_is_there_.store(false);
    if (who == rank()) turns().disown();
  }

  channel* open(const channel_shape& shape) {
    const guard lock(turns());
    channels_.push_back(std::make_unique<channel>(shape, static_cast<int>(channels_.size()), post_));
    take_early();
    return channels_.back().get();
  }
  std::int64_t opened() const { return static_cast<std::int64_t>(channels_.size()); }
  void close(channel* what) {
    guard lock(turns());
    auto& mine = channels_[static_cast<std::size_t>(what->number())];
    const bool idle = end_of([&] { return !what->is_sending() && !what->is_filling(); }, lock);
    if (!idle) left_channels_.push_back(std::move(mine));
    mine = nullptr;
  }

  template <class Say>
  void* fresh(channel& c, Say&& say) {
    guard lock(turns());
    if (!c.has_fresh()) drive(rank(), [&] { return c.has_fresh(); }, say, lock);
    return c.fresh();
  }
  template <class Say>
  void put(channel& c, const message_id& id, void* object, Say&&) {
    guard lock(turns());
    if (c.is_inside()) return c.put_inside(id, object);
    detail::letter_head head;
    head.step = static_cast<std::uint32_t>(id.step), head.box = static_cast<std::uint32_t>(id.box);
    enclose_credits(head, c.shape.to);
    c.send(head, id.mark, object);
    if (!post_.fits()) look();
  }
  template <class Say>
  parcel take(channel& c, const message_id& id, Say&& say) {
    guard lock(turns());
    if (!c.has(id.box)) drive(rank(), [&] { return c.has(id.box); }, say, lock);
    return c.take(id.box);
  }
  void give_back(channel& c, void* object) {
    const guard lock(turns());
    const bool owed = c.owes();
    if (c.give_back(object)) pay(c);
    else if (!owed && c.owes()) owed_[static_cast<std::size_t>(c.shape.from)].push_back(c.number());
  }

  gathering* open_gathering(label name, const gathering_shape& shape) {
    detail::check_gathering(name, shape, ranks());
    const guard lock(turns());
    std::uint64_t number = 14695981039346656037u;
    for (const char letter : name.str()) number = (number ^ static_cast<unsigned char>(letter)) * 1099511628211u;
    number += static_cast<std::uint64_t>(names_[number]++) * 0x9e3779b97f4a7c15u;  // of the same name, whose members open as often
    auto& mine = gatherings_[static_cast<std::int64_t>(number)];
    mine = std::make_unique<gathering>(shape, static_cast<std::int64_t>(number), post_);
    gathering* const made = mine.get();
    take_early();
    return made;
  }
  void close(gathering* what) {
    guard lock(turns());
    const bool idle = end_of([&] { return !what->is_under_way(); }, lock);
    for (auto& g : gatherings_) {
      if (g.second.get() != what) continue;
      if (!idle) left_gatherings_.push_back(std::move(g.second));
      g.second = nullptr;
    }
  }
  void* segment(gathering& g, int r, std::int64_t step) {
    if (r == rank() && g.is_under_way(r, step)) {  // of the step that was kept in the same place
      guard lock(turns());
      drive(rank(), [&] { return !g.is_under_way(r, step); }, [](text& t) { t.add("the others to get what it told them before"); }, lock);
    }
    return g.segment(r, step);
  }
  void publish(gathering& g, int, std::int64_t step) {
    {
      const guard lock(turns());
      g.publish(step);
      look();
    }
    bells_[1].ring();
  }
  template <class Say>
  void gathered(gathering& g, int who, std::int64_t step, Say&& say) {
    if (g.has_all(step)) return;
    guard lock(turns());
    drive(who, [&] { return g.is_whole(step); }, say, lock);
  }
  const void* from(gathering& g, int r, std::int64_t step) { return g.segment(r, step); }

  template <class Ready, class Say>
  void wait(int who, Ready&& ready, Say&& say) {
    guard lock(turns());
    drive(who, ready, say, lock);
  }
  /// Sleeps meanwhile: the rank's own thread looks for letters.
  template <class Ready, class Progress, class Say>
  void attend(int who, Ready&& ready, Progress&& progress, Say&& say) {
    const double patience = patience_of(who);
    std::int64_t seen = progress();
    auto end = clock::now() + seconds(patience);
    while (!ready()) {
      if (failed()) rethrow();
      nap(who, [&] { return ready() || failed(); }, patience / 8 < 0.02 ? patience / 8 : 0.02);
      if (guard lock(turns(), std::try_to_lock); lock) look_or_fail();
      if (const std::int64_t now = progress(); now != seen) seen = now, end = clock::now() + seconds(patience);
      else if (clock::now() >= end && !ready() && !failed()) fail(detail::late(who, ranks(), patience, say));
    }
  }
  template <class Ready>
  void doze(int who, Ready&& ready) {
    for (int i = 0; i < 2000 && post_.fits(); ++i) {
      if (ready()) return;
      detail::pause_briefly();
    }
    detail::bell& b = bell_of(who);
    std::unique_lock lock(b.mutex);
    b.goes_to_sleep();
    while (!ready()) b.rung.wait(lock);
    b.has_woken();
  }
  void ring(int who) {
    if (who == rank() || who == host()) bell_of(who).ring();
  }

  void fail(const error& e) {
    {
      const guard lock(turns());
      post_.fail(e);
    }
    for (detail::bell& b : bells_) b.ring_all();
  }
  bool failed() const { return post_.failed(); }
  [[noreturn]] void rethrow() {
    guard lock(turns());
    settle(lock);
    throw error(post_.settle());
  }

 private:
  struct credit_letter {
    detail::letter_head head;
    int left = 0;
  };

  static detail::turn_lock& turns() { return detail::mpi_session::turns(); }
  detail::bell& bell_of(int who) { return bells_[who == rank() ? 0 : 1]; }
  double patience_of(int who) const { return how_.deadline + (who == rank() ? 0 : 0.5); }  // ranks know better what is missing
  static clock::duration seconds(double s) { return std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>(s < 1e9 ? s : 1e9)); }

  // With the lock held, from here on.

  bool look() {
    return post_.look([this](const unsigned char* sheet, int from) { receive(sheet, from); });
  }
  bool look_or_fail() {
    try {
      return look();
    } catch (const error& e) {
      post_.fail(e);
    } catch (const std::exception& e) {
      post_.fail(error(text("stretto: rank ", rank(), " can't take in a message: ", e.what(), "; mend what threw it").str(), {.rank = rank()}));
    }
    return true;
  }

  void receive(const unsigned char* sheet, int from) {
    detail::letter_head head;
    std::memcpy(&head, sheet, sizeof head);
    if (head.credits > 0)
      if (channel* const c = channels_[head.credited].get(); c != nullptr) c->credit(head.credits);
    switch (head.kind) {
      case detail::mail_kind::message: {
        const bool open = head.channel < channels_.size();
        channel* const c = open ? channels_[head.channel].get() : nullptr;
        if (c == nullptr) return early_.keep(head, sheet, from, !open);
        c->accept(sheet, head, from);
        if (c->owes_all()) pay(*c);
        return;
      }
      case detail::mail_kind::segment: {
        const auto found = gatherings_.find(number_of(head));
        if (found == gatherings_.end() || found->second == nullptr) return early_.keep(head, sheet, from, found == gatherings_.end());
        found->second->accept(sheet, head, from);
        bells_[1].ring();
        return;
      }
      case detail::mail_kind::failure:
        post_.hear(sheet, from);
        for (detail::bell& b : bells_) b.ring_all();
        return;
      case detail::mail_kind::credits: return;
    }
  }
  static std::int64_t number_of(const detail::letter_head& head) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(head.box) << 32 | head.channel);
  }

  void take_early() {
    early_.take(seconds(how_.deadline), [this](const detail::letter_head& head, const unsigned char* sheet, int from, const detail::mpi_post::paper* runs) {
      if (head.kind == detail::mail_kind::message) {
        channel* const c = head.channel < channels_.size() ? channels_[head.channel].get() : nullptr;
        if (c == nullptr) return false;
        c->accept(sheet, head, from, runs);
        if (c->owes_all()) pay(*c);
        return true;
      }
      const auto g = gatherings_.find(number_of(head));
      if (g == gatherings_.end() || g->second == nullptr) return false;
      g->second->accept(sheet, head, from, runs);
      return true;
    });
  }

  void enclose_credits(detail::letter_head& head, int to) {
    for (auto& owed = owed_[static_cast<std::size_t>(to)]; !owed.empty();) {
      channel* const c = channels_[static_cast<std::size_t>(owed.back())].get();
      owed.pop_back();
      if (c == nullptr || !c->owes()) continue;
      head.credited = static_cast<std::uint32_t>(c->number()), head.credits = c->take_credits();
      return;
    }
  }
  /// Credits that can't wait for a letter to ride along with.
  void pay(channel& c) {
    auto free = credits_.begin();
    while (free != credits_.end() && free->left > 0) ++free;
    if (free == credits_.end()) free = credits_.emplace(free);
    free->head = {};
    free->head.kind = detail::mail_kind::credits;
    free->head.credited = static_cast<std::uint32_t>(c.number()), free->head.credits = c.take_credits();
    post_.send(c.shape.from, detail::mpi_post::letters, &free->head, sizeof free->head, &free->left);
  }

  /// Looks until ready(), a failure or the deadline. What is waited for changes by letters, or, rarely, otherwise.
  template <class Ready, class Say>
  void drive(int who, Ready&& ready, Say&& say, guard& lock) {
    clock::time_point end{};
    const double patience = patience_of(who);
    for (std::int64_t tries = 1;; ++tries) {
      const bool came = look_or_fail();
      if (!came && tries % 32 != 0 && who != host()) continue;
      if (ready()) return;
      if (failed()) {
        lock.unlock();
        rethrow();
      }
      if (came) continue;
      if (who == host() || !post_.fits() || turns().is_wanted() || tries % 4096 == 0) give_way(lock, who == host() ? 4 * tries : post_.fits() ? 1 : tries);
      if (tries % 32 != 0) continue;
      const auto now = clock::now();
      if (end == clock::time_point{}) end = now + seconds(patience);
      else if (now >= end && !ready() && !failed()) post_.fail(detail::late(who, ranks(), patience, say));
    }
  }
  /// Lets other threads of the process, and where cores are few other processes, have a turn: the longer nothing has
  /// come, the longer.
  void give_way(guard& lock, std::int64_t tries) {
    lock.unlock();
    if (tries > 1000) nap(host(), [] { return false; }, tries > 4000 ? 1e-3 : 5e-5);
    else if (tries > 20) sched_yield();
    lock.lock();
  }
  template <class Ready>
  void nap(int who, Ready&& ready, double longest) {
    detail::bell& b = bell_of(who);
    std::unique_lock sleep(b.mutex);
    b.goes_to_sleep();
    if (!ready()) b.rung.wait_for(sleep, std::chrono::duration<double>(longest));
    b.has_woken();
  }

  /// Until ready(), which comes soon unless something is wrong; gives whether it came.
  template <class Ready>
  bool end_of(Ready&& ready, guard& lock) {
    const auto end = clock::now() + seconds(failed() || detail::mpi_session::is_over() ? 0 : how_.deadline);
    for (std::int64_t tries = 1; !ready(); ++tries) {
      if (failed() || clock::now() >= end) return false;
      look_or_fail();
      give_way(lock, post_.fits() ? tries / 128 : tries);
    }
    return true;
  }
  /// Waits a moment for all ranks to answer, so that all throw the same error.
  void settle(guard& lock) {
    const auto end = clock::now() + seconds(how_.deadline < 0.5 ? how_.deadline : 0.5);
    for (std::int64_t tries = 1; !post_.is_settled() && !post_.all_heard() && clock::now() < end; ++tries) {
      try {
        look();
      } catch (const error&) {  // a consequence
      }
      give_way(lock, tries);
    }
    post_.settle();
  }

  mpi_options how_;
  detail::mpi_post post_;
  std::vector<std::unique_ptr<channel>> channels_;  // by number; null: closed
  std::map<std::int64_t, std::unique_ptr<gathering>> gatherings_;
  std::map<std::uint64_t, int> names_;              // of gatherings: how many were opened by each
  std::vector<std::unique_ptr<channel>> left_channels_;  // closed while MPI still reads or writes what they have
  std::vector<std::unique_ptr<gathering>> left_gatherings_;
  std::vector<std::vector<int>> owed_;              // by rank: channels whose credits it is owed
  detail::mpi_early early_;
  std::list<credit_letter> credits_;
  detail::bell bells_[2];                           // of the rank and of the host
  std::atomic<bool> host_is_there_ = false;
  int thrown_ = std::uncaught_exceptions();         // when it was made
};

}  // namespace stretto::inline v0
