// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Segments of a pool for the containers of the C++ library (C++17): std::pmr.
 *
 * For what is large: a segment has 4 KiB at least. Many small objects want a
 * std::pmr::pool resource on top of it, which takes large pieces here.
 */
#ifndef SEGPOOL_PMR_HPP
#define SEGPOOL_PMR_HPP

#include <memory_resource>
#include <new>
#include <segpool.h>

/**
 * class segpool_resource - a pool as a std::pmr::memory_resource
 *
 * The pool must live longer than the resource, and than all that was allocated from it. Any thread
 * may use it, as the pool. allocate() throws std::bad_alloc where segpool_aligned_alloc() refuses:
 * segpool_strerror() tells why.
 */
class segpool_resource : public std::pmr::memory_resource {
public:
	explicit segpool_resource(::segpool *pool) noexcept : pool_(pool) {}

	::segpool *pool() const noexcept { return pool_; }

private:
	void *do_allocate(std::size_t bytes, std::size_t alignment) override
	{
		void *memory = segpool_aligned_alloc(pool_, alignment, bytes ? bytes : 1);

		if (!memory)
			throw std::bad_alloc();
		return memory;
	}

	void do_deallocate(void *memory, std::size_t, std::size_t) override
	{
		segpool_free(pool_, memory);
	}

	bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
	{
		const auto *resource = dynamic_cast<const segpool_resource *>(&other);

		return resource && resource->pool_ == pool_;
	}

	::segpool *pool_;
};

#endif // SEGPOOL_PMR_HPP
