// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * A command as text: names, keys and options stay, values become "?". What a command's arguments
 * mean is in one table; of commands that are not in it nothing but the name is shown.
 */
#include "redis.h"

#include <stdlib.h>

#define COUNT(a)     (sizeof(a) / sizeof((a)[0]))
#define ARG_SHOWN    128 /* bytes of one argument */
#define VALUES_SHOWN 8	 /* in a row */
#define ALL	     0xff
#define PAIRS	     0x40 /* then name and value in turn */
#define SCRIPT	     0x80 /* what runs, the number of keys, the keys */
#define FIELDS	     0x81 /* XADD: options up to the id, then name and value in turn */
#define KEEP(n)	     (n)  /* so many, then values */
#define RULE_KEEP    0x3f
#define NAME_MAX_LEN 20

static const struct rule {
	char name[NAME_MAX_LEN];
	uint8_t keep;
} rules[] = {
	/* in the order of strcasecmp() */
	{ "ACL", KEEP(1) },
	{ "APPEND", KEEP(1) },
	{ "ASKING", ALL },
	{ "BGREWRITEAOF", ALL },
	{ "BGSAVE", ALL },
	{ "BITCOUNT", ALL },
	{ "BITFIELD", KEEP(1) },
	{ "BITFIELD_RO", ALL },
	{ "BITOP", ALL },
	{ "BITPOS", ALL },
	{ "BLMOVE", ALL },
	{ "BLMPOP", ALL },
	{ "BLPOP", ALL },
	{ "BRPOP", ALL },
	{ "BRPOPLPUSH", ALL },
	{ "BZMPOP", ALL },
	{ "BZPOPMAX", ALL },
	{ "BZPOPMIN", ALL },
	{ "CLIENT", KEEP(2) },
	{ "CLUSTER", ALL },
	{ "COMMAND", ALL },
	{ "CONFIG", KEEP(2) },
	{ "COPY", ALL },
	{ "DBSIZE", ALL },
	{ "DECR", ALL },
	{ "DECRBY", KEEP(1) },
	{ "DEL", ALL },
	{ "DISCARD", ALL },
	{ "DUMP", ALL },
	{ "EVAL", SCRIPT },
	{ "EVAL_RO", SCRIPT },
	{ "EVALSHA", SCRIPT },
	{ "EVALSHA_RO", SCRIPT },
	{ "EXEC", ALL },
	{ "EXISTS", ALL },
	{ "EXPIRE", ALL },
	{ "EXPIREAT", ALL },
	{ "EXPIRETIME", ALL },
	{ "FCALL", SCRIPT },
	{ "FCALL_RO", SCRIPT },
	{ "FLUSHALL", ALL },
	{ "FLUSHDB", ALL },
	{ "FUNCTION", KEEP(1) },
	{ "GEOADD", KEEP(1) },
	{ "GEODIST", KEEP(1) },
	{ "GEOHASH", KEEP(1) },
	{ "GEOPOS", KEEP(1) },
	{ "GEORADIUS", KEEP(1) },
	{ "GEOSEARCH", KEEP(1) },
	{ "GEOSEARCHSTORE", KEEP(2) },
	{ "GET", ALL },
	{ "GETBIT", ALL },
	{ "GETDEL", ALL },
	{ "GETEX", ALL },
	{ "GETRANGE", ALL },
	{ "GETSET", KEEP(1) },
	{ "HDEL", ALL },
	{ "HELLO", KEEP(1) },
	{ "HEXISTS", ALL },
	{ "HEXPIRE", ALL },
	{ "HGET", ALL },
	{ "HGETALL", ALL },
	{ "HINCRBY", KEEP(2) },
	{ "HINCRBYFLOAT", KEEP(2) },
	{ "HKEYS", ALL },
	{ "HLEN", ALL },
	{ "HMGET", ALL },
	{ "HMSET", PAIRS | 1 },
	{ "HRANDFIELD", ALL },
	{ "HSCAN", ALL },
	{ "HSET", PAIRS | 1 },
	{ "HSETNX", KEEP(2) },
	{ "HSTRLEN", ALL },
	{ "HVALS", ALL },
	{ "INCR", ALL },
	{ "INCRBY", KEEP(1) },
	{ "INCRBYFLOAT", KEEP(1) },
	{ "INFO", ALL },
	{ "KEYS", ALL },
	{ "LASTSAVE", ALL },
	{ "LATENCY", ALL },
	{ "LCS", ALL },
	{ "LINDEX", ALL },
	{ "LINSERT", KEEP(2) },
	{ "LLEN", ALL },
	{ "LMOVE", ALL },
	{ "LMPOP", ALL },
	{ "LPOP", ALL },
	{ "LPOS", KEEP(1) },
	{ "LPUSH", KEEP(1) },
	{ "LPUSHX", KEEP(1) },
	{ "LRANGE", ALL },
	{ "LREM", KEEP(2) },
	{ "LSET", KEEP(2) },
	{ "LTRIM", ALL },
	{ "MEMORY", ALL },
	{ "MGET", ALL },
	{ "MODULE", KEEP(1) },
	{ "MONITOR", ALL },
	{ "MOVE", ALL },
	{ "MSET", PAIRS },
	{ "MSETNX", PAIRS },
	{ "MULTI", ALL },
	{ "OBJECT", ALL },
	{ "PERSIST", ALL },
	{ "PEXPIRE", ALL },
	{ "PEXPIREAT", ALL },
	{ "PEXPIRETIME", ALL },
	{ "PFADD", KEEP(1) },
	{ "PFCOUNT", ALL },
	{ "PFMERGE", ALL },
	{ "PSETEX", KEEP(2) },
	{ "PSUBSCRIBE", ALL },
	{ "PSYNC", ALL },
	{ "PTTL", ALL },
	{ "PUBLISH", KEEP(1) },
	{ "PUBSUB", ALL },
	{ "PUNSUBSCRIBE", ALL },
	{ "QUIT", ALL },
	{ "RANDOMKEY", ALL },
	{ "READONLY", ALL },
	{ "READWRITE", ALL },
	{ "RENAME", ALL },
	{ "RENAMENX", ALL },
	{ "REPLCONF", ALL },
	{ "REPLICAOF", ALL },
	{ "RESET", ALL },
	{ "RESTORE", KEEP(2) },
	{ "ROLE", ALL },
	{ "RPOP", ALL },
	{ "RPOPLPUSH", ALL },
	{ "RPUSH", KEEP(1) },
	{ "RPUSHX", KEEP(1) },
	{ "SADD", KEEP(1) },
	{ "SAVE", ALL },
	{ "SCAN", ALL },
	{ "SCARD", ALL },
	{ "SCRIPT", KEEP(1) },
	{ "SDIFF", ALL },
	{ "SDIFFSTORE", ALL },
	{ "SELECT", ALL },
	{ "SET", KEEP(1) },
	{ "SETBIT", KEEP(2) },
	{ "SETEX", KEEP(2) },
	{ "SETNX", KEEP(1) },
	{ "SETRANGE", KEEP(2) },
	{ "SHUTDOWN", ALL },
	{ "SINTER", ALL },
	{ "SINTERCARD", ALL },
	{ "SINTERSTORE", ALL },
	{ "SISMEMBER", KEEP(1) },
	{ "SLOWLOG", ALL },
	{ "SMEMBERS", ALL },
	{ "SMISMEMBER", KEEP(1) },
	{ "SMOVE", KEEP(2) },
	{ "SORT", ALL },
	{ "SORT_RO", ALL },
	{ "SPOP", ALL },
	{ "SPUBLISH", KEEP(1) },
	{ "SRANDMEMBER", ALL },
	{ "SREM", KEEP(1) },
	{ "SSCAN", ALL },
	{ "SSUBSCRIBE", ALL },
	{ "STRLEN", ALL },
	{ "SUBSCRIBE", ALL },
	{ "SUNION", ALL },
	{ "SUNIONSTORE", ALL },
	{ "SUNSUBSCRIBE", ALL },
	{ "SWAPDB", ALL },
	{ "SYNC", ALL },
	{ "TIME", ALL },
	{ "TOUCH", ALL },
	{ "TTL", ALL },
	{ "TYPE", ALL },
	{ "UNLINK", ALL },
	{ "UNSUBSCRIBE", ALL },
	{ "UNWATCH", ALL },
	{ "WAIT", ALL },
	{ "WAITAOF", ALL },
	{ "WATCH", ALL },
	{ "XACK", ALL },
	{ "XADD", FIELDS },
	{ "XAUTOCLAIM", ALL },
	{ "XCLAIM", ALL },
	{ "XDEL", ALL },
	{ "XGROUP", ALL },
	{ "XINFO", ALL },
	{ "XLEN", ALL },
	{ "XPENDING", ALL },
	{ "XRANGE", ALL },
	{ "XREAD", ALL },
	{ "XREADGROUP", ALL },
	{ "XREVRANGE", ALL },
	{ "XTRIM", ALL },
	{ "ZADD", KEEP(1) },
	{ "ZCARD", ALL },
	{ "ZCOUNT", ALL },
	{ "ZDIFF", ALL },
	{ "ZDIFFSTORE", ALL },
	{ "ZINCRBY", KEEP(1) },
	{ "ZINTER", ALL },
	{ "ZINTERCARD", ALL },
	{ "ZINTERSTORE", ALL },
	{ "ZLEXCOUNT", ALL },
	{ "ZMPOP", ALL },
	{ "ZMSCORE", KEEP(1) },
	{ "ZPOPMAX", ALL },
	{ "ZPOPMIN", ALL },
	{ "ZRANDMEMBER", ALL },
	{ "ZRANGE", ALL },
	{ "ZRANGEBYLEX", ALL },
	{ "ZRANGEBYSCORE", ALL },
	{ "ZRANGESTORE", ALL },
	{ "ZRANK", KEEP(1) },
	{ "ZREM", KEEP(1) },
	{ "ZREMRANGEBYLEX", ALL },
	{ "ZREMRANGEBYRANK", ALL },
	{ "ZREMRANGEBYSCORE", ALL },
	{ "ZREVRANGE", ALL },
	{ "ZREVRANGEBYLEX", ALL },
	{ "ZREVRANGEBYSCORE", ALL },
	{ "ZREVRANK", KEEP(1) },
	{ "ZSCAN", ALL },
	{ "ZSCORE", KEEP(1) },
	{ "ZUNION", ALL },
	{ "ZUNIONSTORE", ALL },
};

static int compare(const void *key, const void *rule)
{
	return strcasecmp(key, ((const struct rule *)rule)->name);
}

static uint8_t rule_of(struct slice name)
{
	char text[NAME_MAX_LEN];
	const struct rule *rule;

	if (name.n >= sizeof(text))
		return KEEP(0);
	memcpy(text, name.p, name.n);
	text[name.n] = 0;
	rule = bsearch(text, rules, COUNT(rules), sizeof(rules[0]), compare);
	return rule ? rule->keep : KEEP(0);
}

/* How far the arguments have been told apart, from argument to argument */
struct reader {
	uint8_t rule;
	uint64_t at;	/* arguments before this one, without the name */
	uint64_t keys;	/* SCRIPT */
	uint64_t since; /* FIELDS: the argument at which names and values begin; 0: not yet */
	bool skip;	/* FIELDS: the option's number */
	bool shows_what;
};

/* "*", "5-0", "5-*": the end of XADD's options */
static bool is_id(struct slice arg)
{
	return arg.n && (arg.p[0] == '*' || (arg.p[0] >= '0' && arg.p[0] <= '9'));
}

static bool fields_shown(struct reader *reader, struct slice arg)
{
	if (reader->since)
		return (reader->at - reader->since) % 2 == 0;
	if (reader->at == 0)
		return true;
	if (reader->skip || slice_eq(arg, SLICE("=")) || slice_eq(arg, SLICE("~"))) {
		reader->skip = reader->skip && arg.n == 1 && (arg.p[0] == '=' || arg.p[0] == '~');
		return true;
	}
	if (is_id(arg))
		reader->since = reader->at + 1;
	else
		reader->skip = slice_ieq(arg, SLICE("MAXLEN")) || slice_ieq(arg, SLICE("MINID")) ||
			       slice_ieq(arg, SLICE("LIMIT"));
	return true;
}

static bool script_shown(struct reader *reader, struct slice arg)
{
	if (reader->at == 0)
		return reader->shows_what;
	if (reader->at > 1)
		return reader->at - 2 < reader->keys;
	for (size_t i = 0; i < arg.n && i < 6 && arg.p[i] >= '0' && arg.p[i] <= '9'; i++)
		reader->keys = reader->keys * 10 + (uint64_t)(arg.p[i] - '0');
	return true;
}

static bool shown(struct reader *reader, struct slice arg)
{
	uint64_t keep = reader->rule & RULE_KEEP;

	if (reader->rule == ALL)
		return true;
	if (reader->rule == SCRIPT)
		return script_shown(reader, arg);
	if (reader->rule == FIELDS)
		return fields_shown(reader, arg);
	if (reader->at < keep)
		return true;
	return (reader->rule & PAIRS) && (reader->at - keep) % 2 == 0;
}

/* As redis-cli would want it: in quotes where it must be. Bytes that are no text are not shown. */
static void put_arg(struct buf *out, struct slice arg)
{
	bool quotes = !arg.n;
	size_t n = arg.n < ARG_SHOWN ? arg.n : ARG_SHOWN;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)arg.p[i];

		if (c < ' ' || c == 0x7f) {
			buf__puts(out, "?");
			return;
		}
		quotes = quotes || strchr(" \"'\\", c);
	}
	if (!quotes) {
		buf__append(out, arg.p, n);
	} else {
		buf__puts(out, "\"");
		for (size_t i = 0; i < n; i++) {
			if (strchr("\"\\", arg.p[i]))
				buf__puts(out, "\\");
			buf__append(out, arg.p + i, 1);
		}
		buf__puts(out, "\"");
	}
	if (n < arg.n)
		buf__puts(out, "...");
}

void redis__text(const struct redis_command *command, struct buf *out)
{
	struct redis_command args = *command;
	struct reader reader = { 0 };
	struct slice arg;
	uint32_t values = 0;

	if (!redis_command__next(&args, &arg))
		return;
	buf__append(out, arg.p, arg.n < REDIS_NAME_MAX ? arg.n : REDIS_NAME_MAX);
	reader.rule = rule_of(arg);
	reader.shows_what = !slice_ieq(arg, SLICE("EVAL")) && !slice_ieq(arg, SLICE("EVAL_RO"));
	while (out->n < REDIS_TEXT_MAX && values < VALUES_SHOWN &&
	       redis_command__next(&args, &arg)) {
		bool is_shown = shown(&reader, arg);

		buf__puts(out, " ");
		if (is_shown)
			put_arg(out, arg);
		else
			buf__puts(out, "?");
		values = is_shown ? 0 : values + 1;
		reader.at++;
	}
	if (reader.at + 1 == command->args)
		return;
	/* what the head does not hold: one long argument, and what lies behind it */
	buf__puts(out, reader.at + 2 == command->args ? " ?" : " ...");
}

struct slice redis__procedure(const struct redis_command *command)
{
	struct redis_command args = *command;
	struct slice name, what;

	if (!redis_command__next(&args, &name) || !redis_command__next(&args, &what))
		return slice(NULL, 0);
	if (rule_of(name) != SCRIPT || slice_ieq(name, SLICE("EVAL")) ||
	    slice_ieq(name, SLICE("EVAL_RO")))
		return slice(NULL, 0);
	return what;
}
