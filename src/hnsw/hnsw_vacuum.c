#include "postgres.h"
#include "hnsw/hnsw.h"
IndexBulkDeleteResult *vs_hnsw_bulkdelete(IndexVacuumInfo *info, IndexBulkDeleteResult *stats, IndexBulkDeleteCallback callback, void *callback_state){return stats;}
IndexBulkDeleteResult *vs_hnsw_vacuumcleanup(IndexVacuumInfo *info, IndexBulkDeleteResult *stats){return stats;}
