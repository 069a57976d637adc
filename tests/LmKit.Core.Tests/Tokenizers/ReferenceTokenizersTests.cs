using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LmKit.Conformance;

namespace LmKit.Core.Tests.Tokenizers;

/// <summary>Published tokenizers against the library that defines them (Tokenizers.DotNet wraps Hugging Face's 0.22.2), on random texts.</summary>
public class ReferenceTokenizersTests
{
    private const string Area = "core/tokenizers";

    public static TheoryData<string> Folders => [.. GoldenSource.Repository.Cases(Area)];

    public static TheoryData<string, string> Variants
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var (name, _, _) in TokenizerVariants.All)
                data.Add(name, TokenizerVariants.All.First(variant => variant.Name == name).Base);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Random_texts_have_the_ids_of_the_reference(string name) => Compare(File.ReadAllText(Path.Combine(Golden(name), "tokenizer.json")), 1_000);

    [Theory]
    [Trait("Category", "Long")]
    [MemberData(nameof(Folders))]
    public void Many_random_texts_have_the_ids_of_the_reference(string name) => Compare(File.ReadAllText(Path.Combine(Golden(name), "tokenizer.json")), 10_000);

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_file_with_other_parts_has_the_ids_of_the_reference(string name, string origin)
    {
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(Golden(origin), "tokenizer.json")))!.AsObject();
        TokenizerVariants.All.First(variant => variant.Name == name).Change(json);
        Compare(json.ToJsonString(), 200);
    }

    private static string Golden(string name) => Path.Combine(GoldenSource.Repository.Root!, Area, name);

    private static void Compare(string json, int count)
    {
        if (!OperatingSystem.IsLinux() || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            return; // the reference is there for Linux on x64 alone
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["tokenizer.json"], json);
        var ours = TokenizerFiles.Load(folder.Path);
        using var theirs = new global::Tokenizers.DotNet.Tokenizer(folder["tokenizer.json"]);
        var random = new Random(20);
        for (var index = 0; index < count; index++)
        {
            var text = RandomText(random, ours.SpecialTokens.Keys);
            var expected = theirs.Encode(text).Select(id => (int)id).ToArray();
            var ids = ours.Encode(text, addSpecialTokens: true, allowSpecialTokens: true);
            Assert.True(expected.SequenceEqual(ids), $"{JsonSerializer.Serialize(text)}: expected {string.Join(' ', expected)}, got {string.Join(' ', ids)}.");
            if (expected.Length == 0)
                continue;
            var decoded = theirs.Decode([.. expected.Select(id => (uint)id)]);
            Assert.True(decoded == ours.Decode(ids), $"{string.Join(' ', ids)}: expected {JsonSerializer.Serialize(decoded)}, got {JsonSerializer.Serialize(ours.Decode(ids))}.");
        }
    }

    // Letters, signs, blanks, marks, pictures and any character of Unicode but surrogates; special tokens would be parsed.
    private static string RandomText(Random random, IEnumerable<string> special)
    {
        string[] words = ["the", "Hello", " world", "don't", "'S", "it'll", "1234567", "3.14", "caf\u00e9", "e\u0301\u0323", "\u00df", "\u0130", "\ufb01", "\u4e2d\u6587\u5b57", "\u3053\u3093\u306b\u3061\u306f", "\u30fc", "\ud55c\uad6d\uc5b4",
            "\u043f\u0440\u0438\u0432\u0435\u0442", "\u05e9\u05dc\u05d5\u05dd", "\u0645\u0631\u062d\u0628\u0627", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0928\u092e\u0938\u094d\u0924\u0947", "\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67", "\ud83c\udde9\ud83c\uddea", "<0x41>", "<unk>x", "\u2581", "##ing", "</w>", "aaaa", "--__--", "(a.b)", "\0", "x\u00b2\u00bd\u00b9y", "\u2167\u24d0"];
        string[] blanks = [" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u3000", "\u2028", "\u0085", "\n\n  "];
        while (true)
        {
            var text = new StringBuilder();
            for (var part = random.Next(1, 9); part > 0; part--)
            {
                switch (random.Next(6))
                {
                    case 0:
                        _ = text.Append(words[random.Next(words.Length)]);
                        break;
                    case 1:
                        _ = text.Append(blanks[random.Next(blanks.Length)]);
                        break;
                    case 2:
                        Append(text, random, 0x20, 0x7f);
                        break;
                    case 3:
                        Append(text, random, 0xa0, 0x700);
                        break;
                    case 4:
                        Append(text, random, 0x1, 0x10000);
                        break;
                    default:
                        Append(text, random, 0x1, 0x110000);
                        break;
                }
            }
            var made = text.ToString();
            if (!special.Any(token => made.Contains(token, StringComparison.OrdinalIgnoreCase)))
                return made;
        }
    }

    private static void Append(StringBuilder text, Random random, int first, int end)
    {
        for (var count = random.Next(1, 9); count > 0; count--)
        {
            var value = random.Next(first, end);
            if (value is < 0xd800 or > 0xdfff)
                _ = text.Append(char.ConvertFromUtf32(value));
        }
    }
}
