/*
 * arch_test.c
 *		Tests of how configurations are read, printed as TAP.
 *
 * Each architecture has a config.json here, in which the tests change one
 * member at a time: to other values that are right, to ones that are not, to
 * other kinds of values, to none.  Whatever they say, the result is a
 * configuration that passes vs_arch_check or a clean error.
 */
#include "postgres.h"

#include "embed/arch.h"
#include "server_stub.h"
#include "tap.h"

#define BERT \
	"{'model_type':'bert','vocab_size':50,'hidden_size':24," \
	"'num_hidden_layers':2,'num_attention_heads':3,'intermediate_size':40," \
	"'hidden_act':'gelu','layer_norm_eps':1e-12,'max_position_embeddings':64," \
	"'type_vocab_size':2,'pad_token_id':0,'position_embedding_type':'absolute'," \
	"'is_decoder':false,'add_cross_attention':false}"
#define ROBERTA \
	"{'model_type':'xlm-roberta','vocab_size':50,'hidden_size':24," \
	"'num_hidden_layers':2,'num_attention_heads':3,'intermediate_size':40," \
	"'max_position_embeddings':64,'type_vocab_size':1,'pad_token_id':1}"
#define DISTILBERT \
	"{'model_type':'distilbert','vocab_size':50,'dim':24,'n_layers':2," \
	"'n_heads':3,'hidden_dim':40,'activation':'gelu'," \
	"'max_position_embeddings':64}"
#define MPNET \
	"{'model_type':'mpnet','vocab_size':50,'hidden_size':24," \
	"'num_hidden_layers':2,'num_attention_heads':3,'intermediate_size':40," \
	"'max_position_embeddings':64,'pad_token_id':1," \
	"'relative_attention_num_buckets':32}"
#define T5 \
	"{'model_type':'t5','vocab_size':50,'d_model':24,'d_kv':10,'d_ff':40," \
	"'num_layers':2,'num_heads':3,'feed_forward_proj':'gated-gelu'," \
	"'relative_attention_num_buckets':32," \
	"'relative_attention_max_distance':128,'layer_norm_epsilon':1e-6," \
	"'n_positions':512}"
#define NOMIC \
	"{'model_type':'nomic_bert','vocab_size':50,'n_embd':24,'n_head':3," \
	"'n_layer':2,'n_inner':40,'n_positions':64," \
	"'activation_function':'swiglu','causal':false,'prenorm':false," \
	"'layer_norm_epsilon':1e-12,'qkv_proj_bias':false,'mlp_fc1_bias':false," \
	"'mlp_fc2_bias':false,'rotary_emb_base':1000,'rotary_emb_fraction':1.0," \
	"'rotary_emb_interleaved':false,'rotary_emb_scale_base':null," \
	"'rotary_scaling_factor':null,'type_vocab_size':2}"
#define USE_LITE \
	"{'model_type':'use_lite','vocab_size':50,'embedding_size':12," \
	"'hidden_size':24,'num_hidden_layers':2,'num_attention_heads':3," \
	"'intermediate_size':40,'hidden_act':'relu','layer_norm_eps':1e-6," \
	"'max_position_embeddings':64}"

static const char *const configs[] = {
	BERT, ROBERTA, DISTILBERT, MPNET, T5, NOMIC, USE_LITE
};

/* ------------------------------------------------------------------------
 * Files
 * ------------------------------------------------------------------------ */

/* JSON text, with ' for ", as a tree. */
static VsJson *
parse(const char *file, const char *text)
{
	char	   *copy = pstrdup(text);

	for (char *p = copy; *p; p++)
	{
		if (*p == '\'')
			*p = '"';
	}
	return vs_json_parse(file, copy, strlen(copy));
}

/* The files of a model, as texts; NULL for none. */
typedef struct Files
{
	const char *config;
	const char *sentence_bert;
	const char *sentence_transformers;
	const char *tokenizer_config;
	const char *types[12];		/* of modules.json, or none */
	const char *configs[12];	/* of their folders */

	/* a member of config whose value becomes this text; NULL: no member */
	const char *key;
	const char *value;

	VsModelConfig result;
	int			tensors;
} Files;

/* Change, add or remove a member of an object. */
static VsJson *
with_member(const VsJson *object, const char *key, const char *value)
{
	VsJson	   *changed = palloc(sizeof(VsJson));

	*changed = *object;
	changed->u.items = palloc(sizeof(VsJson) * (object->count + 1));
	changed->count = 0;
	for (uint32 i = 0; i < object->count; i++)
	{
		if (strcmp(object->u.items[i].key, key) != 0)
			changed->u.items[changed->count++] = object->u.items[i];
	}
	if (value != NULL)
	{
		VsJson	   *member = &changed->u.items[changed->count++];

		*member = *parse("value", value);
		member->key = key;
	}
	return changed;
}

static const VsJson *
parse_if(const char *file, const char *text)
{
	return text ? parse(file, text) : NULL;
}

/* Every tensor has sizes and names. */
static void
check_tensors(const List *specs)
{
	ListCell   *cell;

	foreach(cell, specs)
	{
		const VsTensorSpec *spec = lfirst(cell);
		int			rows = 0;

		if (spec->rows < 1 || spec->cols < 1 || spec->nparts < 1)
			fail("role %d has no size", spec->role);
		for (int i = 0; i < spec->nparts; i++)
		{
			if (spec->name[i] == NULL || strstr(spec->name[i], "(null)"))
				fail("role %d has no name", spec->role);
			rows += spec->part_rows[i];
		}
		if (rows != (spec->kind == VS_TENSOR_VECTOR && spec->nparts > 1 ?
					 spec->cols : spec->rows))
			fail("%s: parts do not add up", spec->name[0]);
	}
}

static void
configure(void *arg)
{
	Files	   *f = arg;
	VsModelFiles files = {.directory = "model"};
	const char *task;

	files.config = parse("config.json", f->config);
	if (f->key)
		files.config = with_member(files.config, f->key, f->value);
	files.sentence_bert = parse_if("sentence_bert_config.json", f->sentence_bert);
	files.sentence_transformers = parse_if("config_sentence_transformers.json",
										   f->sentence_transformers);
	files.tokenizer_config = parse_if("tokenizer_config.json", f->tokenizer_config);
	for (int i = 0; i < (int) lengthof(f->types) && f->types[i]; i++)
	{
		VsModelFolder *folder = palloc(sizeof(VsModelFolder));

		folder->type = f->types[i];
		folder->path = psprintf("%d_%s", i, f->types[i]);
		folder->config = parse_if(folder->path, f->configs[i]);
		files.folders = lappend(files.folders, folder);
	}
	vs_arch_configure(&files, &f->result);
	f->tensors = list_length(vs_arch_tensors(&f->result, &files));
	check_tensors(vs_arch_tensors(&f->result, &files));
	vs_arch_prompts(&files, &task);
}

/* Read with one member changed; sqlstate and part are those of the error. */
static void
expect(const char *config, const char *key, const char *value,
	   int sqlstate, const char *part)
{
	Files		f = {.config = config,.key = key,.value = value};

	if (!stub_expect(sqlstate, part, configure, &f))
		fail("%.30s: %s = %s", config, key, value ? value : "nothing");
	stub_reset();
}

static void
expect_files(Files *f, int sqlstate, const char *part)
{
	if (!stub_expect(sqlstate, part, configure, f))
		fail("expected %s", *part ? part : "no error");
	stub_reset();
}

/* ------------------------------------------------------------------------
 * Tests
 * ------------------------------------------------------------------------ */

static void
expect_equal(const char *what, double got, double want)
{
	if (got != want)
		fail("%s is %g, expected %g", what, got, want);
}

static void
test_architectures(void)
{
	static const int tensors[] = {
		5 + 2 * 12, 5 + 2 * 12, 4 + 2 * 12, 5 + 2 * 12, 3 + 2 * 7, 4 + 2 * 9,
		1 + 2 * 12 + 2
	};

	for (int i = 0; i < (int) lengthof(configs); i++)
	{
		Files		f = {.config = configs[i]};

		expect_files(&f, 0, "");
		subject = f.result.arch;
		expect_equal("number of tensors", f.tensors, tensors[i]);
		expect_equal("width", f.result.dim, 24);
		expect_equal("longest text", f.result.max_tokens,
					 i == 1 || i == 3 ? 62 : i == 4 ? 512 : 64);
		expect_equal("pooling", f.result.pooling, VS_POOL_MEAN);
		expect_equal("stages", f.result.stage_count, 0);
		expect_equal("prompt in pooling", f.result.prompt_in_pooling, -1);
	}
	subject = "";
	end_test("every architecture is configured");
}

/* Whatever a member is replaced by. */
static void
test_mutations(void)
{
	static const char *const values[] = {
		NULL, "null", "0", "-1", "1", "7", "1.5", "1e300", "-1e300", "2147483647",
		"4294967296", "true", "false", "''", "'x'", "'relu'", "[]", "{}", "[1]",
	};
	int			tried = 0;

	for (int i = 0; i < (int) lengthof(configs); i++)
	{
		VsJson	   *json = parse("config.json", configs[i]);
		int			members = json->count;

		for (int j = 0; j < members; j++)
		{
			for (int v = 0; v < (int) lengthof(values); v++)
			{
				Files		f = {.config = configs[i],.value = values[v]};
				const StubError *error;

				f.key = parse("config.json", configs[i])->u.items[j].key;
				error = stub_run(configure, &f);
				if (error && error->sqlstate != ERRCODE_DATA_CORRUPTED &&
					error->sqlstate != ERRCODE_FEATURE_NOT_SUPPORTED)
					fail("%s = %s: %s", f.key, values[v] ? values[v] : "nothing",
						 error->message);
				stub_reset();
				tried++;
			}
		}
	}
	end_test("one member changed: a configuration or a clean error (%d)", tried);
}

static void
test_refusals(void)
{
	int			no = ERRCODE_FEATURE_NOT_SUPPORTED;
	int			bad = ERRCODE_DATA_CORRUPTED;

	expect(BERT, "model_type", "'gpt2'", no, "model type \"gpt2\"");
	expect(BERT, "model_type", "'ber'", no, "model type \"ber\"");
	expect(BERT, "model_type", "''", no, "model type \"\"");
	expect(BERT, "model_type", "'roberta|xlm-roberta'", no, "roberta|xlm");
	expect(BERT, "model_type", NULL, bad, "has no \"model_type\"");
	expect(BERT, "hidden_size", NULL, bad, "has no \"hidden_size\"");
	expect(BERT, "hidden_act", "'mish'", no, "activation \"mish\"");
	expect(BERT, "hidden_act", "'gelu_new'", 0, "");
	expect(BERT, "position_embedding_type", "'relative_key'", no, "relative_key");
	expect(BERT, "is_decoder", "true", no, "is_decoder \"true\"");
	expect(BERT, "add_cross_attention", "true", no, "add_cross_attention");
	expect(BERT, "num_attention_heads", "5", bad, "number of attention heads");
	expect(BERT, "num_hidden_layers", "97", bad, "num_hidden_layers");
	expect(ROBERTA, "pad_token_id", "63", bad, "no position");
	expect(MPNET, "relative_attention_num_buckets", "64", no, "64");
	expect(T5, "feed_forward_proj", "'gated-swish'", 0, "");
	expect(T5, "feed_forward_proj", "'relu'", 0, "");
	expect(T5, "feed_forward_proj", "'gated-'", no, "activation");
	expect(T5, "relative_attention_max_distance", "8", bad, "distance");
	expect(T5, "relative_attention_num_buckets", "30", bad, "position buckets");
	expect(NOMIC, "activation_function", "'gelu'", no, "activation_function");
	expect(NOMIC, "rotary_emb_fraction", "0.5", no, "rotary_emb_fraction \"0.5\"");
	expect(NOMIC, "rotary_emb_interleaved", "true", no, "rotary_emb_interleaved");
	expect(NOMIC, "prenorm", "true", no, "prenorm");
	expect(NOMIC, "causal", "true", no, "causal");
	expect(NOMIC, "use_rms_norm", "true", no, "use_rms_norm");
	expect(NOMIC, "rotary_scaling_factor", "2", no, "rotary_scaling_factor");
	expect(NOMIC, "mlp_fc1_bias", "true", no, "mlp_fc1_bias \"true\"");
	expect(NOMIC, "n_head", "8", bad, "number of attention heads");
	expect(USE_LITE, "embedding_size", "15", bad, "width of embeddings");
	end_test("what is not implemented or impossible is named");
}

static void
test_pooling(void)
{
	static const struct
	{
		const char *config;
		int			pooling;
	}			good[] = {
		{"{}", VS_POOL_MEAN},
		{"{'pooling_mode':'cls'}", VS_POOL_CLS},
		{"{'pooling_mode':'mean_sqrt_len_tokens'}", VS_POOL_MEAN_SQRT_LEN},
		{"{'pooling_mode':['max','mean']}", VS_POOL_MAX | VS_POOL_MEAN},
		{"{'pooling_mode_cls_token':true,'pooling_mode_mean_tokens':false}",
		VS_POOL_CLS},
		{"{'pooling_mode_lasttoken':true,'pooling_mode_mean_tokens':false,"
			"'pooling_mode_weightedmean_tokens':true,'word_embedding_dimension':24}",
		VS_POOL_LAST_TOKEN | VS_POOL_WEIGHTED_MEAN},
	};
	static const struct
	{
		const char *config;
		int			sqlstate;
		const char *part;
	}			wrong[] = {
		{NULL, ERRCODE_DATA_CORRUPTED, "1_Pooling/config.json\" is missing"},
		{"{'pooling_mode_mean_tokens':false}", ERRCODE_DATA_CORRUPTED, "no way"},
		{"{'pooling_mode':[]}", ERRCODE_DATA_CORRUPTED, "no way"},
		{"{'pooling_mode':'first'}", ERRCODE_FEATURE_NOT_SUPPORTED, "\"first\""},
		{"{'pooling_mode':[1]}", ERRCODE_FEATURE_NOT_SUPPORTED, "pooling_mode"},
		{"{'pooling_mode':true}", ERRCODE_FEATURE_NOT_SUPPORTED, "pooling_mode"},
		{"{'pooling_mode_max_tokens':1}", ERRCODE_DATA_CORRUPTED, "max_tokens"},
		{"{'word_embedding_dimension':25}", ERRCODE_DATA_CORRUPTED, "25"},
	};

	for (int i = 0; i < (int) lengthof(good); i++)
	{
		Files		f = {.config = BERT,.types = {"Transformer", "Pooling"}};

		f.configs[1] = good[i].config;
		expect_files(&f, 0, "");
		expect_equal("pooling", f.result.pooling, good[i].pooling);
		expect_equal("dimensions", f.result.dim,
					 24 * __builtin_popcount(good[i].pooling));
	}
	for (int i = 0; i < (int) lengthof(wrong); i++)
	{
		Files		f = {.config = BERT,.types = {"Transformer", "Pooling"}};

		f.configs[1] = wrong[i].config;
		expect_files(&f, wrong[i].sqlstate, wrong[i].part);
	}
	if (strcmp(vs_arch_pooling_name(VS_POOL_CLS | VS_POOL_MEAN), "cls+mean") != 0)
		fail("name of a pooling");
	stub_reset();
	end_test("pooling");
}

static void
test_stages(void)
{
	Files		f = {
		.config = BERT,
		.types = {"Transformer", "Pooling", "Dense", "LayerNorm", "Normalize"},
		.configs = {NULL, "{'include_prompt':false}",
			"{'in_features':24,'out_features':9,'bias':false,"
			"'activation_function':'torch.nn.modules.linear.Identity'}",
		"{'dimension':9}"},
	};
	Files		g = f;

	expect_files(&f, 0, "");
	expect_equal("dimensions", f.result.dim, 9);
	expect_equal("stages", f.result.stage_count, 3);
	expect_equal("activation", f.result.stages[0].activation, VS_ACT_NONE);
	expect_equal("tensors", f.tensors, 5 + 2 * 12 + 1 + 2);
	expect_equal("prompt in pooling", f.result.prompt_in_pooling, 0);

	g.configs[2] = "{'in_features':24,'out_features':9}";
	expect_files(&g, 0, "");
	expect_equal("activation", g.result.stages[0].activation, VS_ACT_TANH);
	expect_equal("bias", g.result.stages[0].has_bias, true);
	g.configs[2] = "{'in_features':25,'out_features':9}";
	expect_files(&g, ERRCODE_DATA_CORRUPTED, "in_features");
	g.configs[2] = "{'in_features':24,'out_features':9000}";
	expect_files(&g, ERRCODE_DATA_CORRUPTED, "out_features");
	g.configs[2] = "{'out_features':9,'activation_function':'torch.nn.Mish'}";
	expect_files(&g, ERRCODE_FEATURE_NOT_SUPPORTED, "torch.nn.Mish");
	g.configs[2] = NULL;
	expect_files(&g, ERRCODE_DATA_CORRUPTED, "missing");

	g = f;
	g.configs[3] = "{'dimension':8}";
	expect_files(&g, ERRCODE_DATA_CORRUPTED, "dimension");
	g.types[3] = "CNN";
	expect_files(&g, ERRCODE_FEATURE_NOT_SUPPORTED, "module \"CNN\"");
	g.types[1] = "Normalize";
	expect_files(&g, ERRCODE_FEATURE_NOT_SUPPORTED, "second module");
	g.types[0] = "WordEmbeddings";
	expect_files(&g, ERRCODE_FEATURE_NOT_SUPPORTED, "WordEmbeddings");
	g.types[0] = "Transformer";
	g.types[1] = NULL;
	expect_files(&g, ERRCODE_FEATURE_NOT_SUPPORTED, "Transformer alone");
	g = f;
	for (int i = 2; i < 11; i++)
		g.types[i] = "Normalize";
	expect_files(&g, ERRCODE_FEATURE_NOT_SUPPORTED, "more than 8 stages");
	end_test("stages");
}

static void
test_texts(void)
{
	Files		f = {
		.config = ROBERTA,
		.sentence_bert = "{'max_seq_length':30,'do_lower_case':true}",
		.sentence_transformers =
		"{'prompts':{'query':'q: ','document':'','none':null},"
		"'default_prompt_name':'document','matryoshka_layer_norm':true}",
	};
	Files		g = f;

	expect_files(&f, 0, "");
	expect_equal("longest text", f.result.max_tokens, 30);
	expect_equal("lower case", f.result.lower_case, true);
	expect_equal("norm before cutting", f.result.matryoshka_norm, true);
	g.sentence_bert = "{'max_seq_length':1000}";
	expect_files(&g, 0, "");
	expect_equal("longest text", g.result.max_tokens, 62);
	g.sentence_bert = "{'max_seq_length':0}";
	expect_files(&g, ERRCODE_DATA_CORRUPTED, "max_seq_length");
	g.sentence_bert = "{'max_seq_length':null}";
	g.tokenizer_config = "{'model_max_length':1000000000000000019884624838656}";
	expect_files(&g, 0, "");
	expect_equal("longest text", g.result.max_tokens, 62);
	g.tokenizer_config = "{'model_max_length':40}";
	expect_files(&g, 0, "");
	expect_equal("longest text", g.result.max_tokens, 40);

	g.sentence_transformers = "{'prompts':{'query':1}}";
	expect_files(&g, ERRCODE_DATA_CORRUPTED, "query");
	g.sentence_transformers = "{'prompts':['query']}";
	expect_files(&g, ERRCODE_DATA_CORRUPTED, "prompts");
	g.sentence_transformers = "{'default_prompt_name':'x'}";
	expect_files(&g, ERRCODE_DATA_CORRUPTED, "default prompt \"x\"");

	g = f;
	g.config = T5;
	g.sentence_bert = "{'max_seq_length':2000}";
	expect_files(&g, 0, "");
	expect_equal("longest text", g.result.max_tokens, 2000);
	end_test("length of texts, case, prompts");
}

static void
check(void *arg)
{
	vs_arch_check("file", arg);
}

/* A configuration that comes from a damaged model file. */
static void
test_damage(void)
{
	static const int32 values[] = {
		0, 1, -1, 3, 7, 100, 65537, 1 << 24, PG_INT32_MAX, PG_INT32_MIN, 0x7fc00000
	};
	int			refused = 0;

	for (int i = 0; i < (int) lengthof(configs); i++)
	{
		Files		f = {.config = configs[i]};

		expect_files(&f, 0, "");
		for (size_t at = 0; at < sizeof(VsModelConfig); at += 4)
		{
			for (int v = 0; v < (int) lengthof(values); v++)
			{
				VsModelConfig damaged = f.result;
				const StubError *error;

				memcpy((char *) &damaged + at, &values[v], 4);
				error = stub_run(check, &damaged);
				if (error && error->sqlstate != ERRCODE_DATA_CORRUPTED)
					fail("byte %zu: %s", at, error->message);
				refused += error != NULL;
				if (!error && (damaged.heads < 1 || damaged.vocab > VS_MODEL_MAX_VOCAB ||
							   damaged.width > VS_MODEL_MAX_WIDTH ||
							   damaged.layers > VS_MODEL_MAX_LAYERS))
					fail("byte %zu passes", at);
				stub_reset();
			}
		}
	}
	if (refused < 1000)
		fail("only %d were refused", refused);
	end_test("damaged configurations are refused");
}

int
main(void)
{
	test_architectures();
	test_mutations();
	test_refusals();
	test_pooling();
	test_stages();
	test_texts();
	test_damage();
	printf("1..%d\n", tests_run);
	return tests_failed > 0;
}
