using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using static TorchSharp.torch;

namespace LmKit;

/// <summary>SHA-256 of what data and tensors hold, in lower-case hexadecimal, the same on every machine.</summary>
internal static class ContentHash
{
    /// <summary>The hash of named tensors: names in ordinal order, types, shapes and bytes. They may lie on any device.</summary>
    internal static string Of(IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (name, tensor) in tensors.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            Append(hash, $"{name}\n{tensor.dtype}\n{string.Join(',', tensor.shape)}\n");
            Append(hash, tensor);
        }
        return Text(hash);
    }

    /// <summary>The hash of texts, each with its length.</summary>
    internal static string Of(IEnumerable<string> texts)
    {
        ArgumentNullException.ThrowIfNull(texts);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var text in texts)
            Append(hash, text);
        return Text(hash);
    }

    /// <summary>The hash of rows of numbers, each with its length.</summary>
    internal static string Of(IEnumerable<int[]> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var row in rows)
        {
            hash.AppendData(BitConverter.GetBytes((long)row.Length));
            hash.AppendData(MemoryMarshal.AsBytes<int>(row));
        }
        return Text(hash);
    }

    private static void Append(IncrementalHash hash, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        hash.AppendData(BitConverter.GetBytes((long)bytes.Length));
        hash.AppendData(bytes);
    }

    private static void Append(IncrementalHash hash, Tensor tensor)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        TensorBytes.Visit(tensor.detach().cpu().contiguous(), (_, bytes) => hash.AppendData(bytes));
    }

    private static string Text(IncrementalHash hash) => Convert.ToHexStringLower(hash.GetHashAndReset());
}
