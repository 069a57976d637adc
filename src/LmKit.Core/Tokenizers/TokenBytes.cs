using System.Runtime.CompilerServices;
using Microsoft.ML.Tokenizers;

namespace LmKit;

/// <summary>The bytes that each id of a byte-level tokenizer stands for.</summary>
internal static class TokenBytes
{
    private static readonly ConditionalWeakTable<Tokenizer, byte[][]> Tables = [];

    /// <summary>The table by id, or null for a tokenizer whose tokens are not bytes.</summary>
    public static byte[][]? Table(Tokenizer tokenizer) => tokenizer switch
    {
        ByteTokenizer => Tables.GetValue(tokenizer, _ => [.. Enumerable.Range(0, 256).Select(value => new[] { (byte)value })]),
        BpeTokenizer { ByteLevel: true } pairs => Tables.GetValue(pairs, _ => Build(pairs)),
        _ => null,
    };

    private static byte[][] Build(BpeTokenizer pairs)
    {
        var table = new byte[pairs.Vocabulary.Values.Max() + 1][];
        Array.Fill(table, []);
        foreach (var (entry, id) in pairs.Vocabulary)
        {
            table[id] = ByteAlphabet.Read(entry);
        }
        return table;
    }
}
