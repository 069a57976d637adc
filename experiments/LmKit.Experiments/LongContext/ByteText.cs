using System.Text;
using LmKit.QuickStart;
using static TorchSharp.torch;

namespace LmKit.Experiments;

/// <summary>The SDK's reference documentation as bytes, whole files of it held out; every window begins with a token of its own.</summary>
internal sealed class ByteText
{
    /// <summary>What stands before every window.</summary>
    internal const int Begin = 256;

    /// <summary>Bytes and <see cref="Begin"/>.</summary>
    internal const int VocabSize = 257;

    private readonly byte[] training;
    private readonly byte[] heldOut;

    /// <summary>Reads it.</summary>
    /// <param name="limit">The most characters of training text.</param>
    internal ByteText(int limit)
    {
        var split = ReferenceProse.Read().Limit(limit);
        (training, heldOut) = (Encoding.UTF8.GetBytes(split.Training), Encoding.UTF8.GetBytes(split.Validation));
    }

    /// <summary>A batch of windows of the training text, <see cref="Begin"/> and so many bytes: (B, 1 + length).</summary>
    internal Tensor Windows(long length, long batch, Generator random)
    {
        var starts = randint(0, training.Length - length, [batch], dtype: ScalarType.Int64, generator: random).data<long>().ToArray();
        var ids = new long[batch * (length + 1)];
        foreach (var (row, start) in starts.Index())
        {
            ids[row * (length + 1)] = Begin;
            for (var place = 0; place < length; place++)
                ids[row * (length + 1) + 1 + place] = training[start + place];
        }
        return tensor(ids, [batch, length + 1]);
    }

    /// <summary>Stretches of the held-out text, evenly spread over it, without <see cref="Begin"/>.</summary>
    internal IReadOnlyList<int>[] Stretches(int count, int length)
    {
        if (heldOut.Length < (long)count * length)
            throw new InvalidDataException($"The held-out text has {heldOut.Length} bytes, fewer than {count} stretches of {length}.");
        var step = (heldOut.Length - length) / Math.Max(1, count - 1);
        return [.. Enumerable.Range(0, count).Select(index => (IReadOnlyList<int>)[.. heldOut.AsSpan(index * step, length).ToArray().Select(value => (int)value)])];
    }

    /// <summary>The bytes of texts from a position on, in windows of the trained length from every half of one on: their second halves are those bytes.</summary>
    internal static IEnumerable<IReadOnlyList<int>> Halves(IReadOnlyList<int>[] texts, long from, int trained)
    {
        foreach (var text in texts)
        {
            for (var start = (int)from - trained / 2; start + trained <= text.Count; start += trained / 2)
                yield return [.. text.Skip(start).Take(trained)];
        }
    }

    /// <summary>Entropy in nats of a byte of the held-out text given the two before it, of the text's own counts: no table of triples does better on it.</summary>
    internal double SecondOrderEntropy()
    {
        var contexts = new Dictionary<int, Dictionary<byte, int>>();
        for (var place = 2; place < heldOut.Length; place++)
        {
            var context = heldOut[place - 2] << 8 | heldOut[place - 1];
            if (!contexts.TryGetValue(context, out var next))
                contexts[context] = next = [];
            next[heldOut[place]] = next.GetValueOrDefault(heldOut[place]) + 1;
        }
        return contexts.Values.Sum(next => -next.Values.Sum(count => count * Math.Log(count / (double)next.Values.Sum()))) / (heldOut.Length - 2);
    }
}
