using System.Text;

namespace LmKit.Fuzz;

/// <summary>The same faults in every JSON file that a reader has.</summary>
internal static class JsonAttacks
{
    // Target, valid case and file; a member that decides something, in the file's spelling.
    private static readonly (string Target, string Seed, string File, string Member)[] Readers =
    [
        ("model-config", "attention", "config.json", "format"),
        ("dictionary-folder", "top_k", "config.json", "kind"),
        ("adapter", "plain", "adapter_config.json", "r"),
        ("adapter-config", "peft", "adapter_config.json", "lora_alpha"),
        ("template-config", "one", "tokenizer_config.json", "chat_template"),
        ("tokenizer", "pairs", "vocab.json", "a"),
        ("tokenizer", "pairs", "lmkit_tokenizer.json", "kind"),
        ("activation-store", "plain", "manifest.json", "Shards"),
        ("dataset-journal", "run", "manifest.json", "kind"),
        ("judgments", "run", "manifest.json", "kind"),
        ("trainer-checkpoint", "run", "step-00000002/trainer.json", "step"),
        ("finetune-checkpoint", "run", "step-00000002/trainer.json", "step"),
        ("denoising-checkpoint", "run", "step-00000002/trainer.json", "step"),
        ("distill-checkpoint", "sdtt", "step-00000002/trainer.json", "step"),
        ("sae-dictionary_learning", "published", "config.json", "trainer"),
        ("sae-llama_scope", "published", "hyperparams.json", "d_model"),
        ("sae-sae_lens_gated", "published", "cfg.json", "architecture"),
        ("sae-sae_lens_jumprelu", "published", "cfg.json", "architecture"),
        ("sae-sae_lens_legacy_topk", "published", "cfg.json", "activation_fn_kwargs"),
        ("sae-sparsify", "published", "cfg.json", "k"),
        ("sae-topafa", "published", "config.json", "sae_type"),
        ("published-config", "llama-gqa", "config.json", "model_type"),
        ("published-weights", "gpt2-base-sharded", "model.safetensors.index.json", "weight_map"),
    ];

    internal static IEnumerable<HostileCase> All() => Readers.SelectMany(Of);

    private static IEnumerable<HostileCase> Of((string Target, string Seed, string File, string Member) reader)
    {
        var (target, seed, file, member) = reader;
        var json = HostileCase.Valid(target, seed).Files[file];
        var span = JsonSpan.Of(json).Where(span => span.IsMember && Encoding.UTF8.GetString(json, span.KeyStart, span.KeyEnd - span.KeyStart) == $"\"{member}\"").DefaultIfEmpty(default).Last();
        HostileCase Case(string name, byte[] bytes, Expectation expected = Expectation.Refused) => HostileCase.Of($"made-json-{target}-{Path.GetFileNameWithoutExtension(file)}-{name}", target, seed, expected, file, bytes);
        byte[] With(string value) => ByteMutations.Replaced(json, span.Start, span.End, Encoding.UTF8.GetBytes(value));

        yield return Case("empty", []);
        yield return Case("null", "null"u8.ToArray());
        yield return Case("array", "[]"u8.ToArray());
        yield return Case("cut", json[..(json.Length / 2)]);
        yield return Case("deep", Encoding.UTF8.GetBytes(Nested("[", "]")));
        yield return Case("deep-open", Encoding.UTF8.GetBytes(new string('[', 1_000_000)));
        if (span.KeyEnd == 0)
            yield break;
        yield return Case("deep-member", With(Nested("{\"a\":", "}")));
        yield return Case("surrogate", With("\"\\ud800\""));
        yield return Case("no-text", ByteMutations.Replaced(json, span.Start, span.End, [(byte)'"', 0xC3, 0x28, (byte)'"']));
        yield return Case("huge-number", With("1e999"));
        yield return Case("long-number", With(new string('9', 100_000)));
        yield return Case("null-member", With("null"), Expectation.Either);
        yield return Case("member-twice", ByteMutations.Inserted(json, span.End, [(byte)',', .. json[span.KeyStart..span.KeyEnd], (byte)':', .. json[span.Start..span.End]]), Expectation.Either);
        yield return Case("many-members", ByteMutations.Inserted(json, span.End, Encoding.UTF8.GetBytes(string.Concat(Enumerable.Range(0, 100_000).Select(index => $",\"x{index}\":0")))), Expectation.Either);
    }

    private static string Nested(string open, string close) => string.Concat(Enumerable.Repeat(open, 100_000)) + "1" + string.Concat(Enumerable.Repeat(close, 100_000));
}
