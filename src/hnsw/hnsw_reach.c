/*
 * hnsw_reach.c
 *		Which nodes links lead to.
 *
 * From the entry, links of all levels are followed.  To need no more than two
 * bits a node and to read pages in order, the nodes are passed over again and
 * again, each time from the first to the last, until a pass has met no node
 * that it had not looked at; a link to a node that comes later is followed in
 * the same pass, so these are few.
 */
#include "postgres.h"

#include "hnsw/hnsw_inspect.h"

typedef struct Reach
{
	VsHnswInspect *inspect;
	uint32		nodes;
	uint8	   *reached;
	uint8	   *done;
	VsHnswReachVisit visit;
	void	   *arg;
} Reach;

/* Note where the links of a node lead. */
static void
follow_links(Reach *reach, const VsHnswSlot *slot)
{
	const VsHnswLayout *layout = reach->inspect->ix->layout;
	const uint32 *ids = vs_slot_ids(layout, slot);

	for (int level = 0; level <= slot->level; level++)
	{
		int			start = vs_hnsw_links_start(layout, level);

		for (int i = start; i < start + slot->nlinks[level]; i++)
			if (ids[i] < reach->nodes)
				vs_bits_add(reach->reached, ids[i]);
	}
}

/* Does a page have nodes to look at: reached ones, or with all, any? */
static bool
has_work(const Reach *reach, uint32 first, uint32 end, bool all)
{
	for (uint32 id = first; id < end; id++)
		if (!vs_bits_has(reach->done, id) &&
			(all || vs_bits_has(reach->reached, id)))
			return true;
	return false;
}

/* Look at the nodes of a page that were reached, or at all that are left. */
static void
look_at_page(Reach *reach, uint32 page_no, bool all)
{
	VsHnswInspect *inspect = reach->inspect;
	uint32		per_page = inspect->ix->layout->per_page;
	uint32		first = page_no * per_page;
	uint32		end = Min(first + per_page, reach->nodes);
	Page		page;

	if (!has_work(reach, first, end, all))
		return;
	page = vs_hnsw_inspect_page(inspect, VS_SPACE_NODE, page_no);
	for (uint32 id = first; id < end; id++)
	{
		const VsHnswSlot *slot = vs_hnsw_slot_at(inspect->ix, page, id);

		if (vs_bits_has(reach->done, id) ||
			(!all && !vs_bits_has(reach->reached, id)))
			continue;
		vs_bits_add(reach->done, id);
		if (slot->state == VS_NODE_FREE)
			continue;
		if (!all)
			follow_links(reach, slot);
		reach->visit(id, slot, !all, reach->arg);
	}
}

void
vs_hnsw_reach(VsHnswInspect *inspect, uint32 nodes, VsHnswReachVisit visit,
			  void *arg)
{
	VsHnsw	   *ix = inspect->ix;
	Reach		reach = {inspect, nodes, vs_bits_new(nodes), vs_bits_new(nodes),
	visit, arg};
	uint32		pages = (nodes + ix->layout->per_page - 1) / ix->layout->per_page;
	bool		more = true;

	vs_hnsw_refresh(ix);
	if (ix->meta->entry < nodes)
		vs_bits_add(reach.reached, ix->meta->entry);
	while (more)
	{
		more = false;
		for (uint32 page_no = 0; page_no < pages; page_no++)
			look_at_page(&reach, page_no, false);
		more = has_work(&reach, 0, nodes, false);
	}
	for (uint32 page_no = 0; page_no < pages; page_no++)
		look_at_page(&reach, page_no, true);
	pfree(reach.reached);
	pfree(reach.done);
}
