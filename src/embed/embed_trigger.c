/*
 * embed_trigger.c
 *		The trigger function that keeps a column of embeddings current.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#include "compat.h"
#include "embed/embed.h"

/* Arguments of the trigger, and what follows from them; kept in fn_extra. */
typedef struct TriggerCall
{
	MemoryContext context;		/* of the plan */
	bool		planned;
	uint64		generation;		/* of the catalog, when planned */
	Oid			user;
	char	   *model_setting;	/* the default model, when planned */
	int			source;
	int			target;
	VsEmbedPlan plan;
	VsEmbedMemo *memo;
	void	   *domain;			/* kept by domain_check */
} TriggerCall;

static VS_NORETURN void
misused(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("embed_trigger %s", what),
			 errhint("CREATE TRIGGER ... BEFORE INSERT OR UPDATE ON ... FOR EACH ROW EXECUTE FUNCTION embed_trigger('source', 'target' [, 'task' [, 'model' [, 'dimensions']]]).")));
}

static void
check_call(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		misused("can only be called as a trigger");
	if (!TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		!(TRIGGER_FIRED_BY_INSERT(data->tg_event) ||
		  TRIGGER_FIRED_BY_UPDATE(data->tg_event)))
		misused("must be fired before INSERT or UPDATE of a row");
	if (data->tg_trigger->tgnargs < 2 || data->tg_trigger->tgnargs > 5)
		misused("takes two to five arguments");
}

/* Argument n of the trigger; NULL if it is not given or empty. */
static const char *
argument(const Trigger *trigger, int n)
{
	if (n >= trigger->tgnargs || trigger->tgargs[n][0] == '\0')
		return NULL;
	return trigger->tgargs[n];
}

static int
dimensions_argument(const Trigger *trigger)
{
	const char *argument_text = argument(trigger, 4);
	int			dimensions;

	if (argument_text == NULL)
		return 0;
	dimensions = pg_strtoint32(argument_text);
	return dimensions == 0 ? -1 : dimensions;
}

/* Check the arguments, and the columns they name, and make the plan. */
static void
plan_call(Oid schema, TriggerData *data, TriggerCall *call)
{
	Relation	rel = data->tg_relation;
	Trigger    *trigger = data->tg_trigger;
	MemoryContext old;

	call->planned = false;
	MemoryContextReset(call->context);
	call->generation = vs_embed_generation();
	call->user = GetUserId();
	call->source = vs_embed_column_number(rel, trigger->tgargs[0]);
	call->target = vs_embed_column_number(rel, trigger->tgargs[1]);
	vs_embed_check_source(rel, call->source);
	if (TupleDescAttr(RelationGetDescr(rel), call->source - 1)->attgenerated)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("column \"%s\" is generated", trigger->tgargs[0]),
				 errdetail("Generated columns are computed after triggers that are fired before a row changes.")));
	old = MemoryContextSwitchTo(call->context);
	vs_embed_plan(schema, argument(trigger, 3), argument(trigger, 2), NULL,
				  dimensions_argument(trigger), &call->plan);
	call->model_setting = pstrdup(vs_embed_default_model());
	MemoryContextSwitchTo(old);

	/* in the context of the row: leaves garbage, and changes the generation */
	vs_embed_column_claim(schema, rel, call->target, &call->plan);
	call->planned = true;
}

static TriggerCall *
trigger_call(FunctionCallInfo fcinfo)
{
	TriggerCall *call = fcinfo->flinfo->fn_extra;

	if (call == NULL)
	{
		call = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
									  sizeof(TriggerCall));
		call->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt,
											  "embed trigger",
											  ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = call;
		AcceptInvalidationMessages();
	}
	if (!call->planned || call->generation != vs_embed_generation() ||
		call->user != GetUserId() ||
		strcmp(call->model_setting, vs_embed_default_model()) != 0)
		plan_call(vs_extension_schema(fcinfo), (TriggerData *) fcinfo->context,
				  call);
	return call;
}

/* Whether an update leaves the source as it is and the target filled. */
static bool
is_current(TriggerData *data, const TriggerCall *call)
{
	TupleDesc	columns = RelationGetDescr(data->tg_relation);
	Form_pg_attribute source = TupleDescAttr(columns, call->source - 1);
	bool		old_null,
				new_null,
				target_null;
	Datum		old_value = heap_getattr(data->tg_trigtuple, call->source,
										 columns, &old_null);
	Datum		new_value = heap_getattr(data->tg_newtuple, call->source,
										 columns, &new_null);

	heap_getattr(data->tg_newtuple, call->target, columns, &target_null);
	if (old_null || new_null)
		return old_null && new_null && target_null;
	return !target_null &&
		datum_image_eq(old_value, new_value, source->attbyval, source->attlen);
}

/* The text of the source, as a cast to text would give it. */
static char *
source_text(TupleDesc columns, int column, Datum value)
{
	Oid			type = TupleDescAttr(columns, column - 1)->atttypid;
	Oid			output;
	bool		varlena;
	char	   *s;

	getTypeOutputInfo(type, &output, &varlena);
	s = OidOutputFunctionCall(output, value);
	if (getBaseType(type) == BPCHAROID)
	{
		Size		n = strlen(s);

		while (n > 0 && s[n - 1] == ' ')
			s[--n] = '\0';
	}
	return s;
}

PG_FUNCTION_INFO_V1(vs_embed_trigger);
Datum
vs_embed_trigger(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	TriggerCall *call;
	TupleDesc	columns;
	HeapTuple	tuple;
	Datum		value;
	bool		isnull;

	check_call(fcinfo);
	call = trigger_call(fcinfo);
	columns = RelationGetDescr(data->tg_relation);
	tuple = data->tg_trigtuple;
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
	{
		if (is_current(data, call))
			return PointerGetDatum(data->tg_newtuple);
		tuple = data->tg_newtuple;
	}

	value = heap_getattr(tuple, call->source, columns, &isnull);
	if (!isnull)
	{
		Oid			type = TupleDescAttr(columns, call->target - 1)->atttypid;
		char	   *s = source_text(columns, call->source, value);

		value = vs_embed_one(&call->memo, fcinfo->flinfo->fn_mcxt, &call->plan,
							 s, strlen(s));
		if (get_typtype(type) == TYPTYPE_DOMAIN)
			domain_check(value, false, type, &call->domain,
						 fcinfo->flinfo->fn_mcxt);
	}
	tuple = heap_modify_tuple_by_cols(tuple, columns, 1, &call->target, &value,
									  &isnull);
	return PointerGetDatum(tuple);
}
