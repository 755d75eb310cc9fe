/*
 * rights.h
 *		Who owns an object of the extension, and who may use it.
 *
 * Such objects are rows of its tables, with a column of type regrole for the
 * owner and one of type regrole[] for the roles that may use it; 0 in it is
 * everyone.  (Not aclitem: that type's binary form changed in 16.)
 */
#ifndef VS_SUPPORT_RIGHTS_H
#define VS_SUPPORT_RIGHTS_H

#include "utils/array.h"

typedef struct VsRights
{
	Oid			owner;
	int			nusers;
	Oid		   *users;
} VsRights;

/* Those of a new object of the current user, which everyone may use. */
extern VsRights vs_rights_new(void);

/* From the two columns; users are in the current memory context. */
extern VsRights vs_rights_read(Datum owner, Datum users);

/* The column of the users. */
extern ArrayType *vs_rights_users(const VsRights *rights);

/*
 * The same rights with a role among the users, or without it, in the current
 * memory context.  The role is named as in GRANT, public included.
 */
extern VsRights vs_rights_change(const VsRights *rights, const char *role,
								 bool allow);

/* Whether the current user may use the object, or change it. */
extern bool vs_rights_may_use(const VsRights *rights);
extern bool vs_rights_may_change(const VsRights *rights);

#endif							/* VS_SUPPORT_RIGHTS_H */
