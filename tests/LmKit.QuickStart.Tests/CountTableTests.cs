namespace LmKit.QuickStart.Tests;

public class CountTableTests
{
    [Fact]
    public void Counts_equal_those_of_a_dictionary_while_the_table_grows()
    {
        var random = new Random(5);
        var (table, expected) = (new CountTable(), new Dictionary<ulong, int>());
        for (var i = 0; i < 20_000; i++)
        {
            // Neighbouring keys, key 0 and keys with high bits alike.
            var key = (ulong)random.Next(6000) << (i % 3 * 20);
            table.Add(key, 1 + (i % 2));
            expected[key] = expected.GetValueOrDefault(key) + 1 + (i % 2);
        }

        Assert.Equal(expected.Count, table.Count);
        Assert.All(expected, pair => Assert.Equal(pair.Value, table[pair.Key]));
        Assert.Equal(expected.OrderBy(pair => pair.Key).Select(pair => (pair.Key, pair.Value)), table.Entries.OrderBy(pair => pair.Key));
        Assert.Equal(0, table[ulong.MaxValue]);
    }
}
