using System.Security.Cryptography;
using System.Text;
using LmKit.Conformance;
using TorchSharp;
using static TorchSharp.torch;

namespace LmKit.Core.Tests;

/// <summary>The hash is SHA-256 of lengths and bytes, so that no two contents are written alike.</summary>
[NoTensorLeak]
public sealed class ContentHashTests
{
    [Fact]
    public void Texts_and_rows_are_hashed_with_their_lengths()
    {
        Assert.Equal(Hash([.. Number(1), .. "a"u8, .. Number(2), .. "\u00e9"u8, .. Number(0)]), ContentHash.Of(["a", "\u00e9", ""]));
        Assert.Equal(Hash([.. Number(2), .. Words(7, -1), .. Number(0), .. Number(1), .. Words(3)]), ContentHash.Of([[7, -1], [], [3]]));
        Assert.NotEqual(ContentHash.Of(["ab", "c"]), ContentHash.Of(["a", "bc"]));
        Assert.NotEqual(ContentHash.Of([[1, 2], [3]]), ContentHash.Of([[1], [2, 3]]));
    }

    [Fact]
    public void Tensors_are_hashed_by_name_type_shape_and_numbers_in_the_order_of_their_names()
    {
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor> { ["b"] = tensor(new[] { 1f, 2 }), ["a"] = tensor(new long[] { 5, 6, 7, 8 }, [2, 2]) };
        byte[] a = [.. Encoding.UTF8.GetBytes("a\nInt64\n2,2\n")];
        byte[] b = [.. Encoding.UTF8.GetBytes("b\nFloat32\n2\n")];
        var expected = Hash([.. Number(a.Length), .. a, .. Number(5), .. Number(6), .. Number(7), .. Number(8), .. Number(b.Length), .. b, .. BitConverter.GetBytes(1f), .. BitConverter.GetBytes(2f)]);

        Assert.Equal(expected, ContentHash.Of(tensors));
        Assert.Equal(expected, ContentHash.Of(tensors.Reverse()));
        tensors["a"] = tensors["a"].t().contiguous().t(); // the same numbers, otherwise laid out
        Assert.Equal(expected, ContentHash.Of(tensors));
        tensors["a"] = tensors["a"].reshape(4);
        Assert.NotEqual(expected, ContentHash.Of(tensors));
    }

    private static byte[] Number(long number) => BitConverter.GetBytes(number);

    private static byte[] Words(params int[] numbers) => [.. numbers.SelectMany(BitConverter.GetBytes)];

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
