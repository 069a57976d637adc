namespace LmKit.Core.Tests;

public class ElfSymbolTests
{
    private const string Name = "THSTorch_dispose_scalar";
    private const int Address = 0x1234_5678;

    private static byte[] Library() => File.ReadAllBytes(NativeSearchPath.Find(
        NativeSearchPath.Directories(typeof(TorchSharp.torch).Assembly), "libLibTorchSharp.so")!);

    [Fact]
    public void One_entry_of_the_symbol_table_gets_the_address_and_no_section()
    {
        var before = Library();
        var after = before.ToArray();
        Assert.True(ElfSymbol.Redirect(after, Name, Address));

        var changed = Enumerable.Range(0, before.Length).Where(i => before[i] != after[i]).ToArray();
        Assert.InRange(changed.Length, 1, 10);
        var first = changed[0];
        Assert.Equal(0xfff1, BitConverter.ToUInt16(after, first));
        Assert.Equal(Address, BitConverter.ToInt64(after, first + 2));
        Assert.InRange(changed[^1], first, first + 9);
    }

    [Theory]
    [InlineData("THSTorch_dispose_scala")]
    [InlineData("THSTorch_dispose_scalars")]
    [InlineData("free")] // needed, not exported
    public void A_library_that_exports_no_such_function_is_untouched(string name)
    {
        var before = Library();
        var after = before.ToArray();
        Assert.False(ElfSymbol.Redirect(after, name, Address));
        Assert.Equal(before, after);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(63)]
    [InlineData(100_000)]
    public void A_truncated_library_is_refused(int length)
    {
        var image = Library()[..length];
        Assert.Contains("ELF", Assert.Throws<BadImageFormatException>(() => ElfSymbol.Redirect(image, Name, Address)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Garbage_is_refused_or_left_alone_but_never_read_out_of_bounds()
    {
        var random = new Random(2);
        var library = Library();
        var table = (int)BitConverter.ToUInt64(library, 40);
        for (var trial = 0; trial < 200; trial++)
        {
            var image = library.ToArray();
            for (var hit = 0; hit < 40; hit++)
                image[hit % 2 == 0 ? random.Next(table, image.Length) : random.Next(0x3890, 0x16760)] = (byte)random.Next(256);
            var error = Record.Exception(() => ElfSymbol.Redirect(image, Name, Address));
            Assert.True(error is null or BadImageFormatException or OverflowException, error?.ToString());
        }
    }
}
