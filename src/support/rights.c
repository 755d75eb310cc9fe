/*
 * rights.c
 *		Who owns an object of the extension, and who may use it.
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"

#include "support/rights.h"

VsRights
vs_rights_new(void)
{
	VsRights	rights = {GetUserId(), 1, palloc(sizeof(Oid))};

	rights.users[0] = ACL_ID_PUBLIC;
	return rights;
}

VsRights
vs_rights_read(Datum owner, Datum users)
{
	VsRights	rights = {DatumGetObjectId(owner), 0, NULL};
	Datum	   *roles;

	deconstruct_array(DatumGetArrayTypeP(users), REGROLEOID, sizeof(Oid), true,
					  TYPALIGN_INT, &roles, NULL, &rights.nusers);
	rights.users = palloc(sizeof(Oid) * Max(rights.nusers, 1));
	for (int i = 0; i < rights.nusers; i++)
		rights.users[i] = DatumGetObjectId(roles[i]);
	return rights;
}

ArrayType *
vs_rights_users(const VsRights *rights)
{
	Datum	   *elements = palloc(sizeof(Datum) * Max(rights->nusers, 1));

	for (int i = 0; i < rights->nusers; i++)
		elements[i] = ObjectIdGetDatum(rights->users[i]);
	return construct_array(elements, rights->nusers, REGROLEOID, sizeof(Oid),
						   true, TYPALIGN_INT);
}

VsRights
vs_rights_change(const VsRights *rights, const char *role, bool allow)
{
	Oid			changed = get_role_oid_or_public(role);
	VsRights	result = {rights->owner, 0,
	palloc(sizeof(Oid) * (rights->nusers + 1))};

	for (int i = 0; i < rights->nusers; i++)
		if (rights->users[i] != changed)
			result.users[result.nusers++] = rights->users[i];
	if (allow)
		result.users[result.nusers++] = changed;
	return result;
}

bool
vs_rights_may_use(const VsRights *rights)
{
	Oid			user = GetUserId();

	for (int i = 0; i < rights->nusers; i++)
		if (rights->users[i] == ACL_ID_PUBLIC)
			return true;
	if (vs_rights_may_change(rights))
		return true;
	for (int i = 0; i < rights->nusers; i++)
		if (has_privs_of_role(user, rights->users[i]))
			return true;
	return false;
}

bool
vs_rights_may_change(const VsRights *rights)
{
	return superuser() || has_privs_of_role(GetUserId(), rights->owner);
}
