namespace LmKit.Core.Tests;

public class ElfVersionNeedTests
{
    private static byte[] Library() => File.ReadAllBytes(NativeSearchPath.Find(
        NativeSearchPath.Directories(typeof(TorchSharp.torch).Assembly), "libLibTorchSharp.so")!);

    [Fact]
    public void The_patch_changes_exactly_one_bit_of_one_byte()
    {
        var before = Library();
        var after = before.ToArray();
        Assert.True(ElfVersionNeed.MarkWeak(after, LibTorchCompatibility.MissingVersion));
        var changed = Enumerable.Range(0, before.Length).Where(i => before[i] != after[i]).ToArray();
        Assert.Single(changed);
        Assert.Equal(2, before[changed[0]] ^ after[changed[0]]);
        Assert.False(ElfVersionNeed.MarkWeak(after, LibTorchCompatibility.MissingVersion));
    }

    [Fact]
    public void A_library_without_that_need_is_untouched()
    {
        var before = Library();
        var after = before.ToArray();
        Assert.False(ElfVersionNeed.MarkWeak(after, "GLIBCXX_9.9.99"));
        Assert.False(ElfVersionNeed.MarkWeak(after, "GLIBCXX_3.4.3"));
        Assert.Equal(before, after);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(100_000)]
    public void A_truncated_library_is_refused(int length)
    {
        var image = Library()[..length];
        var error = Assert.Throws<BadImageFormatException>(() => ElfVersionNeed.MarkWeak(image, LibTorchCompatibility.MissingVersion));
        Assert.Contains("ELF", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Garbage_is_refused_or_left_alone_but_never_read_out_of_bounds()
    {
        var random = new Random(1);
        var library = Library();
        var table = (int)BitConverter.ToUInt64(library, 40);
        var refused = 0;
        for (var trial = 0; trial < 300; trial++)
        {
            var image = library.ToArray();
            for (var hit = 0; hit < 40; hit++)
            {
                var at = hit % 2 == 0 ? random.Next(table, image.Length) : random.Next(0x3f8f0, 0x3fb00);
                image[at] = (byte)random.Next(256);
            }
            var error = Record.Exception(() => ElfVersionNeed.MarkWeak(image, LibTorchCompatibility.MissingVersion));
            Assert.True(error is null or BadImageFormatException, error?.ToString());
            refused += error is null ? 0 : 1;
        }
        Assert.True(refused > 0);
    }
}
