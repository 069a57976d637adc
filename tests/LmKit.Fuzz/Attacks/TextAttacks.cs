using System.Text;

namespace LmKit.Fuzz;

/// <summary>Lines, vocabularies, patterns and verdicts that are long, deep, torn or no UTF-8.</summary>
internal static class TextAttacks
{
    private static readonly (string Name, byte[] Line, Expectation Expected)[] Lines =
    [
        ("deep", Encoding.UTF8.GetBytes(new string('[', 100_000) + new string(']', 100_000)), Expectation.Refused),
        ("deep-member", Encoding.UTF8.GetBytes("{\"text\": " + new string('[', 100_000)), Expectation.Refused),
        ("null", "null"u8.ToArray(), Expectation.Refused),
        ("number", "7"u8.ToArray(), Expectation.Refused),
        ("surrogate", "{\"id\": \"a\", \"text\": \"\\ud800\"}"u8.ToArray(), Expectation.Either),
        ("not-utf8", [.. "{\"id\": \"a\", \"text\": \""u8, 0xC3, 0x28, .. "\"}"u8], Expectation.Either),
        ("member-twice", "{\"id\": \"a\", \"text\": \"b\", \"text\": \"c\"}"u8.ToArray(), Expectation.Either),
        ("zeros", new byte[100_000], Expectation.Refused),
        ("long", [.. "{\"id\": \"a\", \"text\": \""u8, .. Enumerable.Repeat((byte)'a', 1_000_000), .. "\"}"u8], Expectation.Either),
        ("blanks", [.. Enumerable.Repeat((byte)' ', 1_000_000), .. "x"u8], Expectation.Refused),
        ("many-lines", [.. Enumerable.Repeat((byte)'\n', 2_000_000)], Expectation.Either),
    ];

    internal static IEnumerable<HostileCase> All() => Rows().Concat(Vocabularies()).Concat(Patterns()).Concat(Verdicts());

    private static IEnumerable<HostileCase> Rows()
    {
        foreach (var (target, seed, file) in new[] { ("jsonl", "rows", "a.jsonl"), ("text-documents", "lines", "a.jsonl"), ("dataset-records", "records", "journal.jsonl"), ("dataset-journal", "run", "journal.jsonl"), ("judgments", "run", "judgments.jsonl"), ("multiple-choice", "indexes", "q.jsonl") })
        {
            var whole = HostileCase.Valid(target, seed).Files[file];
            foreach (var (name, line, expected) in Lines)
            {
                // A run's last line may be torn and is then made again; before others it is damage.
                yield return HostileCase.Of($"made-lines-{target}-{name}-first", target, seed, expected, file, [.. line, (byte)'\n', .. whole]);
                yield return HostileCase.Of($"made-lines-{target}-{name}-last", target, seed, Expectation.Either, file, [.. whole, (byte)'\n', .. line]);
            }
        }
        yield return HostileCase.Of("made-text-empty", "text-documents", "whole", Expectation.Refused, "b.txt", Array.Empty<byte>());
        yield return HostileCase.Of("made-text-not-utf8", "text-documents", "whole", Expectation.Refused, "b.txt", [0xC3, 0x28]);
        yield return HostileCase.Of("made-text-half-letter", "text-documents", "whole", Expectation.Refused, "b.txt", [0x61, 0xC3]);
    }

    private static IEnumerable<HostileCase> Vocabularies()
    {
        HostileCase Case(string name, string file, string text, Expectation expected = Expectation.Refused) => HostileCase.Of($"made-tokenizer-{name}", "tokenizer", "pairs", expected, file, text);
        var files = HostileCase.Valid("tokenizer", "pairs").Files;
        var (vocabulary, merges) = (Encoding.UTF8.GetString(files["vocab.json"]), Encoding.UTF8.GetString(files["merges.txt"]));
        var first = merges.Split('\n')[1];
        yield return Case("merge-twice", "merges.txt", merges + first + "\n", Expectation.Either);
        yield return Case("merge-unknown", "merges.txt", merges + "x\u00ff y\u00ff\n");
        yield return Case("merge-three", "merges.txt", merges + "a b c\n");
        yield return Case("merge-empty-sides", "merges.txt", merges + " \n");
        yield return Case("merge-long", "merges.txt", merges + new string('a', 500_000) + " b\n");
        yield return Case("merges-many", "merges.txt", merges + string.Concat(Enumerable.Repeat("q q\n", 300_000)));
        yield return Case("id-huge", "vocab.json", vocabulary.Replace("{", "{\"zzz\":2147483647,", StringComparison.Ordinal), Expectation.Either);
        yield return Case("id-negative", "vocab.json", vocabulary.Replace("{", "{\"zzz\":-1,", StringComparison.Ordinal));
        yield return Case("id-twice", "vocab.json", vocabulary.Replace("{", "{\"zzz\":0,", StringComparison.Ordinal));
        yield return Case("entry-empty", "vocab.json", vocabulary.Replace("{", "{\"\":9999,", StringComparison.Ordinal), Expectation.Either);
        yield return Case("entry-long", "vocab.json", vocabulary.Replace("{", "{\"" + new string('a', 500_000) + "\":9999,", StringComparison.Ordinal), Expectation.Either);
        yield return Case("no-entries", "vocab.json", "{}");
        yield return Case("end-unknown", "lmkit_tokenizer.json", """{"kind": "byte-pair", "end_of_text": "nowhere"}""");
        yield return Case("end-surrogate", "lmkit_tokenizer.json", "{\"kind\": \"byte-pair\", \"end_of_text\": \"\\ud800\"}");
        yield return Case("kind-null", "lmkit_tokenizer.json", """{"kind": null}""");
    }

    private static IEnumerable<HostileCase> Patterns()
    {
        const string start = """{"peft_type": "LORA", "r": 2, "lora_alpha": 4, "lora_bias": true, "lora_dropout": 0.05, "target_modules": """;
        foreach (var target in new[] { ("adapter", "plain"), ("adapter-config", "peft") })
        {
            HostileCase Case(string name, string text, Expectation expected = Expectation.Refused) => HostileCase.Of($"made-{target.Item1}-{name}", target.Item1, target.Item2, expected, "adapter_config.json", text);
            yield return Case("pattern-backtracks", start + "\"((a|l|.)+)+x$\"}", Expectation.Either);
            yield return Case("pattern-repeats", start + "\"((((a{1,1000}){1,1000}){1,1000}){1,1000})\"}");
            yield return Case("pattern-broken", start + "\"[z-a]\"}");
            yield return Case("pattern-long", start + "\"" + new string('(', 50_000) + "\"}");
            yield return Case("rank-huge", start.Replace("\"r\": 2", "\"r\": 2147483647", StringComparison.Ordinal) + "[\"q_proj\"]}");
            yield return Case("rank-zero", start.Replace("\"r\": 2", "\"r\": 0", StringComparison.Ordinal) + "[\"q_proj\"]}");
            yield return Case("alpha-not-finite", start.Replace("\"lora_alpha\": 4", "\"lora_alpha\": 1e999", StringComparison.Ordinal) + "[\"q_proj\"]}");
            yield return Case("rank-pattern-broken", start + "\"q_proj\", \"rank_pattern\": {\"[\": 2}}", Expectation.Either);
            yield return Case("targets-null", start + "[null]}", Expectation.Either);
        }
    }

    private static IEnumerable<HostileCase> Verdicts()
    {
        foreach (var (name, text) in new[]
        {
            ("open", string.Concat(Enumerable.Repeat("[[", 500_000))), ("closed", string.Concat(Enumerable.Repeat("[[A]]", 200_000))), ("mixed", string.Concat(Enumerable.Repeat("[[9", 300_000)) + "]]"),
            ("digits", "[[" + new string('9', 400) + "]]"), ("many-digits", "[[" + new string('9', 1_000_000) + "]]"), ("zeros", "[[" + new string('0', 1_000_000) + "7]]"), ("empty", ""), ("signs", "[[" + new string('<', 1_000_000) + "]]"),
        })
        {
            yield return HostileCase.Of($"made-verdict-{name}", "verdicts", "grade", Expectation.Value, "a.txt", text);
        }
    }
}
