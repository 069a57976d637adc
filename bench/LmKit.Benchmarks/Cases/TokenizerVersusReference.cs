using System.Runtime.InteropServices;
using System.Text;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Engines;
using LmKit.Benchmarks.Ratios;
using static TorchSharp.torch;

namespace LmKit.Benchmarks.Cases;

/// <summary>Published tokenizers against the library that defines them (Tokenizers.DotNet wraps Hugging Face's), on 10 MB of words, numbers and signs.</summary>
internal static class TokenizerVersusReference
{
    private const int Length = 10_000_000;

    internal static IReadOnlyList<RatioCase> Cases { get; } =
    [
        Make("gpt2-bytelevel", 8),
        Make("llama3-bytelevel", 8),
        Make("qwen2-bytelevel", 8),
        Make("llama2-bytefallback", 2),
        Make("gemma-bytefallback", 2),
        Make("t5-unigram", 2),
        Make("unigram-bytefallback", 2),
        Make("bert-wordpiece", 2),
        Make("bpe-suffix", 2),
    ];

    private static RatioCase Make(string name, double target) => new($"Encoding 10 MB vs Hugging Face's library: {name}", target, target, _ => Prepare(name))
    {
        Tolerance = 0,
        Hindrance = () => OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture == Architecture.X64 ? null : "the reference library is there for Linux on x64 only",
    };

    private static RatioSides Prepare(string name)
    {
        var folder = Path.Combine(RepositoryFiles.Root, "tests", "golden", "core", "tokenizers", name);
        var ours = TokenizerFiles.Load(folder);
        var theirs = new Tokenizers.DotNet.Tokenizer(Path.Combine(folder, "tokenizer.json"));
        var text = Text();
        return new RatioSides(
            () => [tensor(Array.ConvertAll(theirs.Encode(text), id => (long)id))],
            () => [tensor(ours.Encode(text, addSpecialTokens: true, allowSpecialTokens: true).Select(id => (long)id).ToArray())],
            theirs);
    }

    // Frequent and rare words as in a language: the rank of the next word is drawn evenly by its logarithm.
    private static string Text()
    {
        var random = new Random(3);
        var words = Enumerable.Range(0, 30_000).Select(_ => new string([.. Enumerable.Range(0, random.Next(2, 10)).Select(_ => "etaoinshrdlucmfwypvbgkjqxz"[(int)(random.NextDouble() * random.NextDouble() * 26)])])).ToArray();
        var text = new StringBuilder(Length + 32);
        while (text.Length < Length)
        {
            var word = words[Math.Min(words.Length - 1, (int)Math.Pow(words.Length, random.NextDouble()))];
            _ = text.Append(random.Next(12) == 0 ? char.ToUpperInvariant(word[0]) + word[1..] : word);
            _ = random.Next(14) switch
            {
                0 => text.Append(". "),
                1 => text.Append(", "),
                2 => text.Append('\n'),
                3 => text.Append(' ').Append(random.Next(10_000)).Append(' '),
                _ => text.Append(' '),
            };
        }
        return text.ToString();
    }
}

/// <summary>Loading a <c>tokenizer.json</c> of 32,000 entries, once in each of ten processes as a user does: `bdn --filter *TokenizerLoad*`. The aim is 150 ms.</summary>
[SimpleJob(RunStrategy.ColdStart, launchCount: 10, iterationCount: 1)]
public class TokenizerLoad
{
    private string folder = "";

    [GlobalSetup]
    public void Write()
    {
        folder = Directory.CreateTempSubdirectory("lmkit-bench-").FullName;
        var random = new Random(1);
        var entries = Enumerable.Range('a', 26).Select(letter => ((char)letter).ToString()).ToList();
        var (known, merges) = (entries.ToHashSet(), new List<string>());
        while (entries.Count < 32_000)
        {
            var (left, right) = (entries[random.Next(entries.Count)], entries[random.Next(entries.Count)]);
            if (left.Length + right.Length > 14 || !known.Add(left + right))
                continue;
            entries.Add(left + right);
            merges.Add($"[\"{left}\",\"{right}\"]");
        }
        File.WriteAllText(Path.Combine(folder, "tokenizer.json"), $"{{\"model\":{{\"type\":\"BPE\",\"vocab\":{{{string.Join(',', entries.Select((entry, id) => $"\"{entry}\":{id}"))}}},\"merges\":[{string.Join(',', merges)}]}}}}");
    }

    [GlobalCleanup]
    public void Delete() => Directory.Delete(folder, recursive: true);

    [Benchmark]
    public ModelTokenizer Load() => TokenizerFiles.Load(folder);
}
